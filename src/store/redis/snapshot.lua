-- What an instance takes home. Mirrors `Room::snapshot`, `Order::ranks` and `snapshot::sample_ranks`.

-- Tickets as 8 bytes each.
local function pack_tickets(tickets)
  local packed = {}
  for first = 1, #tickets, 1000 do
    local last = math.min(first + 999, #tickets)
    packed[#packed + 1] = struct.pack('>' .. string.rep('I8', last - first + 1), unpack(tickets, first, last))
  end
  return table.concat(packed)
end

local function tickets_at(key, from, to)
  local tickets, rows = {}, redis.call('ZRANGE', key, whole(from), whole(to), 'WITHSCORES')
  for i = 2, #rows, 2 do tickets[#tickets + 1] = tonumber(rows[i]) end
  return tickets
end

-- Line::lengths
local function length(key)
  return redis.call('ZCARD', key), '', ''
end

-- How many there are, the exact head, and the samples behind it. Who reads it knows their ranks by `sample_ranks`.
local function ranks(key)
  local call, len, samples, rank, last = redis.call, redis.call('ZCARD', key), {}, EXACT, nil
  while rank < len do
    last = rank
    samples[#samples + 1] = tonumber(call('ZRANGE', key, rank, rank, 'WITHSCORES')[2])
    rank = rank + math.max(math.floor(rank / 100), 1)
  end
  if last and last ~= len - 1 then samples[#samples + 1] = tonumber(call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]) end
  return len, pack_tickets(tickets_at(key, 0, EXACT - 1)), pack_tickets(samples)
end

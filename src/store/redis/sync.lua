-- Room::sync. ARGV[3]: the instance, 8 bytes; ARGV[4]: what it knows, numbers of 8 bytes; ARGV[5]: finished,
-- ARGV[6]: renewals, ARGV[7]: heartbeats, each packed one after the other (`codec.rs`); ARGV[8]: the version of the
-- settings to restore, 0 for none, and behind it field and stored form in turn.

local function unpack_all(format, size, packed)
  local list = {}
  for at = 1, #packed, size do list[#list + 1] = { struct.unpack(format, packed, at) } end
  return list
end

-- `Known`, `Report::until`, `Alone` and `Report::brief`, in the order of `codec.rs`.
local function read_known(packed)
  local known, numbers = {}, { struct.unpack('>' .. string.rep('I8', 13), packed) }
  local names = {
    'epoch', 'seq', 'watermark', 'revoked', 'settings', 'window', 'used', 'busy', 'until_when', 'alone', 'alone_window',
    'alone_used', 'brief',
  }
  for i, name in ipairs(names) do known[name] = numbers[i] end
  return known
end

-- Epoch::meet
local function meet_epoch(known, before)
  room.seq = room.seq + 1
  local is_short = known.seq >= room.seq or (before and before < known.seq)
  if known.epoch > room.epoch or known.epoch == room.epoch and is_short then
    room.epoch = math.max(known.epoch + 1, now)
    room.seq = known.seq + 1
  end
  local is_other = known.epoch ~= 0 and known.epoch ~= room.epoch
  if is_other and known.busy == 1 and room.held ~= room.epoch then
    room.held = room.epoch
    hold_admission(HOLD_SECONDS * 1000)
  end
  return is_other
end

-- Room::restore_settings
local function restore_settings(version)
  local stored, is_changed = tonumber(redis.call('HGET', SETTINGS, 'version') or 0), false
  for i = 9, #ARGV, 2 do
    local there = redis.call('HGET', SETTINGS, ARGV[i])
    if not there or (version > stored and there ~= ARGV[i + 1]) then
      redis.call('HSET', SETTINGS, ARGV[i], ARGV[i + 1])
      is_changed = true
    end
  end
  if not is_changed then return end
  redis.call('HSET', SETTINGS, 'version', whole(math.max(stored, version) + 1))
  read_settings()
end

-- Room::instances without this one: how many, and the number of its sync before.
local function other_instances(instance)
  local others, before = 0, nil
  local rows = redis.call('HGETALL', INSTANCES)
  for i = 1, #rows, 2 do
    local last, seq = struct.unpack('>I8I8', rows[i + 1])
    if last < now - INSTANCE_SECONDS * 1000 then
      redis.call('HDEL', INSTANCES, rows[i])
    elseif rows[i] == instance then
      before = seq
    else
      others = others + 1
    end
  end
  return others, before
end

-- Room::meet. Answers with the number of instances.
local function meet(instance, known)
  local others, before = other_instances(instance)
  if meet_epoch(known, before) then window_at_least(known.window, known.used) end
  redis.call('HSET', INSTANCES, instance, struct.pack('>I8I8', now, room.seq))
  room.watermark = math.max(room.watermark, known.watermark)
  restore_settings(tonumber(ARGV[8]))
  if known.alone > 0 then
    window_at_least(known.alone_window, used_now() + known.alone_used)
    hold_admission(SETTLE_MS)
    if known.alone == 2 and others == 0 and not is_line_empty() then hold_admission(HOLD_SECONDS * 1000) end
  end
  return others + 1
end

-- Room::hand_in_finish
local function hand_in_finish(visitor, ticket)
  if find_waiting(visitor) == ticket then leave({ visitor }) end
  room.watermark = math.max(room.watermark, ticket)
  revoke(visitor, ticket)
end

-- Room::take_renewal
local function take_renewal(visitor, ticket, since, till)
  if not renew(visitor, ticket, since, till) then return end
  local turn = find_turn(visitor)
  if (turn and turn.ticket == ticket) or find_waiting(visitor) == ticket then leave({ visitor }) end
  room.watermark = math.max(room.watermark, ticket)
end

-- The packed heartbeats, one list for each part of them: a table for each heartbeat would cost as much as all the rest.
local function read_heartbeats(packed)
  local visitors, tickets, flags, addresses = {}, {}, {}, {}
  for n = 1, #packed / 33 do
    visitors[n], tickets[n], flags[n], addresses[n] = struct.unpack('>c16I8Bc8', packed, 33 * n - 32)
  end
  return visitors, tickets, flags, addresses
end

-- Line::find for everybody who reports, in two reads: tickets, and who is late.
local function find_places(visitors)
  local held, late = {}, {}
  for _, key in ipairs({ LINE, LATE }) do
    if #visitors > 0 and redis.call('EXISTS', key) == 1 then
      for i, ticket in ipairs(redis.call('ZMSCORE', key, unpack(visitors))) do
        if ticket then
          held[visitors[i]] = tonumber(ticket)
          late[visitors[i]] = key == LATE or nil
        end
      end
    end
  end
  return held, late
end

-- Room::heartbeat, of somebody who holds that ticket, nil for none: the ticket that the visitor holds after it, nil for
-- none; and whether the address is over its limit.
local function heartbeat(held, visitor, ticket, is_first, address)
  if ticket <= room.watermark and is_over(visitor, ticket) then return nil, false end
  if held then return math.min(held, ticket), false end
  if is_first and settings.mode == 'closed' then return nil, false end
  if is_first and count_entry(address) then return nil, true end
  return ticket, false
end

-- Writes down who was heard (`true`: at a new place): a few calls, whatever their number.
local function write_places(heard, held, late)
  local stamp, seen, prompt, behind, moved, n = whole(now), {}, {}, {}, {}, 0
  for visitor, is_new in pairs(heard) do
    seen[n + 1], seen[n + 2] = stamp, visitor
    n = n + 2
    if is_new then
      local part = late[visitor] and behind or prompt
      part[#part + 1], part[#part + 2] = whole(held[visitor]), visitor
      if late[visitor] then moved[#moved + 1] = visitor end
    end
  end
  many('ZADD', SEEN, seen)
  many('ZADD', LINE, prompt)
  many('ZADD', LATE, behind)
  many('ZREM', LINE, moved)
end

-- The first registrations that were over a limit, packed.
local function take_heartbeats(packed)
  local visitors, tickets, flags, addresses = read_heartbeats(packed)
  local held, late = find_places(visitors)
  local heard, limited = {}, {}
  for i, visitor in ipairs(visitors) do
    local ticket, before, flag = tickets[i], held[visitor], flags[i]
    local after, is_limited = heartbeat(before, visitor, ticket, flag >= 2, addresses[i])
    if after then
      local is_new = after ~= before
      heard[visitor] = heard[visitor] or is_new
      held[visitor] = after
      if is_new and flag % 2 == 1 then late[visitor] = true end
    elseif is_limited then
      limited[#limited + 1] = pair(visitor, ticket)
    end
  end
  write_places(heard, held, late)
  return table.concat(limited)
end

-- Revocations::after
local function revocations(known)
  local rows = redis.call('ZRANGEBYSCORE', REVOKED, '(' .. whole(known), '+inf', 'WITHSCORES', 'LIMIT', 0, REVOCATIONS)
  local packed = {}
  for i = 1, #rows, 2 do packed[#packed + 1] = struct.pack('>I8', tonumber(rows[i + 1])) .. rows[i] end
  return table.concat(packed), #packed
end

local known = read_known(ARGV[4])
begin()
settle_presence()
until_when = known.until_when
local instances = meet(ARGV[3], known)
for _, each in ipairs(unpack_all('>c16I8', 24, ARGV[5])) do hand_in_finish(each[1], each[2]) end
for _, each in ipairs(unpack_all('>c16I8I8I8', 40, ARGV[6])) do take_renewal(each[1], each[2], each[3], each[4]) end
local limited = take_heartbeats(ARGV[7])
sweep_line(now - room.presence * 1000)
trim(SPENT, now - settings.memory * 1000)
trim(MISSED, now - settings.memory * 1000)
trim(REVOKED, (now - settings.memory * 1000) * 1000)
local more = admit()
save()

local news, news_count = revocations(known.revoked)
local version, changed = tonumber(redis.call('HGET', SETTINGS, 'version') or 0), {}
if version ~= known.settings then changed = redis.call('HGETALL', SETTINGS) end
local shape = known.brief == 1 and length or ranks
local line_len, line_head, line_samples = shape(LINE)
local late_len, late_head, late_samples = shape(LATE)
return {
  {
    now, room.epoch, room.seq, redis.call('HLEN', TURNS), room.watermark, room.admitted, room.window, used_now(), room.late,
    room.hold_until, instances, line_len, late_len, version,
    (more or news_count == REVOCATIONS) and 1 or 0,
  },
  line_head, line_samples, late_head, late_samples, news, limited, changed,
}

-- Room::arrive. ARGV[3]: visitor; ARGV[4]: ticket; ARGV[5]: the address, 8 bytes; ARGV[6]: '1' to walk in;
-- ARGV[7]: `Newcomer::until`, 0 for none; ARGV[8] and ARGV[9]: epoch and seq of `Newcomer::met`.

local visitor, ticket, address, walks_in = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6] == '1'

-- Room::already
local function already()
  local turn = find_turn(visitor)
  if turn then
    local same = turn.ticket == ticket
    if same and turn.since and walks_in then return { 'admitted', turn.since, turn.till } end
    if same and not turn.since then return { 'entered', 1 } end
    return { 'already_ready' }
  end
  if contains(SPENT, visitor, ticket) then return { 'already_ready' } end
  local waiting = find_waiting(visitor)
  if not waiting then return nil end
  return { waiting == ticket and 'entered' or 'already_waiting', position(waiting) }
end

local function walk_in()
  count_offer(ticket, false)
  local stay = claim_turn(visitor, new_offer(ticket))
  return { 'admitted', stay.since, stay.till }
end

local function enter()
  redis.call('ZADD', LINE, whole(ticket), visitor)
  redis.call('ZADD', SEEN, whole(now), visitor)
  local place = position(ticket)
  admit()
  return { 'entered', place }
end

local function arrive()
  local known = already()
  if known then return known end
  if settings.mode == 'closed' then return { 'closed' } end
  if walks_in and (not is_line_empty() or free(redis.call('HLEN', TURNS)) == 0) then return { 'busy' } end
  local retry_after = count_entry(address)
  if retry_after then return { 'limited', retry_after } end
  return walks_in and walk_in() or enter()
end

-- Epoch::is_behind
local function is_behind(epoch, seq)
  return epoch ~= 0 and (epoch ~= room.epoch or seq > room.seq)
end

begin()
until_when = is_behind(tonumber(ARGV[8]), tonumber(ARGV[9])) and 1 or tonumber(ARGV[7])
settle_presence()
local answer = arrive()
save()
return answer

-- Room::claim. ARGV[3]: visitor; ARGV[4]: ticket.

local visitor, ticket = ARGV[3], tonumber(ARGV[4])

local function claim()
  local turn = find_turn(visitor)
  if turn and turn.ticket == ticket then
    local stay = claim_turn(visitor, turn)
    return { 'ready', stay.since, stay.till }
  end
  if contains(SPENT, visitor, ticket) then return { 'spent' } end
  local waiting = find_waiting(visitor)
  if not waiting or waiting > ticket then return { 'unknown' } end
  redis.call('ZADD', SEEN, whole(now), visitor)
  return { 'waiting', position(waiting) }
end

begin()
local answer = claim()
save()
return answer

-- Who holds a turn, and what is remembered of turns that are over. Mirrors `queue/turns.rs` and `queue/ledger.rs`.

local TURN = '>I8I8I8B'

-- A visitor with a ticket, as one member.
local function pair(visitor, ticket)
  return visitor .. struct.pack('>I8', ticket)
end

-- Turns::find. `since` is nil while nobody took the turn.
local function read_turn(packed)
  if not packed then return nil end
  local ticket, till, since, claimed = struct.unpack(TURN, packed)
  return { ticket = ticket, till = till, since = claimed == 1 and since or nil }
end

local function find_turn(visitor)
  return read_turn(redis.call('HGET', TURNS, visitor))
end

local function pack_turn(turn)
  return struct.pack(TURN, turn.ticket, turn.till, turn.since or 0, turn.since and 1 or 0)
end

-- Turns::hold
local function hold(visitor, turn)
  redis.call('HSET', TURNS, visitor, pack_turn(turn))
  redis.call('ZADD', ENDS, whole(turn.till), visitor)
end

-- Marks::mark: a second mark changes nothing.
local function mark(key, visitor, ticket)
  redis.call('ZADD', key, 'NX', whole(now), pair(visitor, ticket))
end

local function contains(key, visitor, ticket)
  return redis.call('ZSCORE', key, pair(visitor, ticket)) and true or false
end

local function unmark(key, visitor, ticket)
  return redis.call('ZREM', key, pair(visitor, ticket)) == 1
end

-- Turns::mark_spent; Turns::spend
local function spend(visitor, ticket)
  unmark(MISSED, visitor, ticket)
  mark(SPENT, visitor, ticket)
end

-- Turns::is_over
local function is_over(visitor, ticket)
  local turn = find_turn(visitor)
  return (turn and turn.ticket == ticket) or contains(SPENT, visitor, ticket)
end

-- Turns::offer
local function new_offer(ticket)
  return { ticket = ticket, till = now + room.presence * 1000 }
end

-- Turns::claim, of a turn that is held
local function claim_turn(visitor, turn)
  if turn.since then return turn end
  local claimed = { ticket = turn.ticket, till = now + settings.ready_ttl_seconds * 1000, since = now }
  hold(visitor, claimed)
  spend(visitor, turn.ticket)
  return claimed
end

-- Turns::may_take. `packed`: the turn as it is stored, or false.
local function may_take(packed, ticket)
  local turn = read_turn(packed)
  return not turn or (turn.since ~= nil and turn.ticket < ticket)
end

-- Turns::let_go
local function let_go(visitor)
  redis.call('HDEL', TURNS, visitor)
  redis.call('ZREM', ENDS, visitor)
end

-- Turns::renew
local function renew(visitor, ticket, since, till)
  till = math.min(till, since + settings.ready_max * 1000)
  if contains(REVOKED, visitor, ticket) then return false end
  local turn, is_over = find_turn(visitor), till <= now
  local is_same = turn and turn.ticket == ticket
  if turn and not is_same and not is_over then
    local began = turn.since or since
    local is_later = began < since or (began == since and turn.ticket < ticket)
    spend(visitor, is_later and turn.ticket or ticket)
    if not is_later then return true end
  end
  if is_same and turn.since and turn.till >= till and (turn.since <= since or is_over) then return true end
  if not is_over then
    if is_same and turn.since then till, since = math.max(till, turn.till), math.min(since, turn.since) end
    hold(visitor, { ticket = ticket, till = till, since = since })
  elseif is_same then
    let_go(visitor)
  end
  spend(visitor, ticket)
  return true
end

-- Revocations::add
local function add_revocation(visitor, ticket)
  local last = redis.call('ZREVRANGE', REVOKED, 0, 0, 'WITHSCORES')[2]
  local number = math.max(tonumber(last or 0) + 1, now * 1000)
  redis.call('ZADD', REVOKED, 'NX', whole(number), pair(visitor, ticket))
end

-- Turns::revoke
local function revoke(visitor, ticket)
  local turn = find_turn(visitor)
  if turn and turn.ticket == ticket then let_go(visitor) end
  mark(SPENT, visitor, ticket)
  add_revocation(visitor, ticket)
end

-- Turns::expire
local function expire()
  local ended = redis.call('ZRANGEBYSCORE', ENDS, '-inf', whole(now), 'LIMIT', 0, STEPS)
  if #ended == 0 then return end
  for i, packed in ipairs(redis.call('HMGET', TURNS, unpack(ended))) do
    local turn = read_turn(packed)
    if turn and not turn.since then
      local again = unmark(MISSED, ended[i], turn.ticket)
      mark(again and SPENT or MISSED, ended[i], turn.ticket)
    end
  end
  many('HDEL', TURNS, ended)
  many('ZREM', ENDS, ended)
end

-- Turns::trim, for each kind: what scores below `limit` goes, at most STEPS of it.
local function trim(key, limit)
  local old = math.min(redis.call('ZCOUNT', key, '-inf', '(' .. whole(limit)), STEPS)
  if old > 0 then redis.call('ZREMRANGEBYRANK', key, 0, old - 1) end
end

-- Room::settle_presence
local function settle_presence()
  local set = settings.presence_seconds
  if set >= room.presence or now - room.settled >= room.presence * 500 then
    room.presence, room.settled = set, now
  end
end

-- Room::begin
local function begin()
  open()
  room.last = now
  expire()
end

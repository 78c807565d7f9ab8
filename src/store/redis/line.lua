-- Who waits and is present. Mirrors `queue/line.rs`: `LINE` are the prompt, `LATE` those who had been away.

-- Line::find: ticket and whether late; nil where the visitor doesn't wait.
local function find_waiting(visitor)
  local ticket = redis.call('ZSCORE', LINE, visitor)
  if ticket then return tonumber(ticket), false end
  ticket = redis.call('ZSCORE', LATE, visitor)
  if ticket then return tonumber(ticket), true end
  return nil
end

-- Line::is_empty
local function is_line_empty()
  return redis.call('EXISTS', LINE, LATE) == 0
end

-- Line::position
local function position(ticket)
  local bound = '(' .. whole(ticket)
  return redis.call('ZCOUNT', LINE, '-inf', bound) + redis.call('ZCOUNT', LATE, '-inf', bound) + 1
end

-- Line::leave, for many
local function leave(visitors)
  many('ZREM', LINE, visitors)
  many('ZREM', LATE, visitors)
  many('ZREM', SEEN, visitors)
end

-- Line::sweep
local function sweep_line(limit)
  leave(redis.call('ZRANGEBYSCORE', SEEN, '-inf', '(' .. whole(limit), 'LIMIT', 0, STEPS))
end

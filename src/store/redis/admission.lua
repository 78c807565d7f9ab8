-- Who is given a turn. Mirrors `queue/admission.rs`, `Line::next` and `Room::{free, admit, offer}`.

-- So many of the line are looked at with one read.
local PAGE = 128

-- Window::at: the turns that were given in the window of this moment. Nothing is written: the room's own window moves
-- only when a turn is given.
local function used_now()
  local length = settings.admission_frequency * 1000
  return now - now % length > room.window and 0 or room.used
end

-- Window::at_least
local function window_at_least(last, used)
  if now - now % (settings.admission_frequency * 1000) > last then return end
  room.used = math.max(used_now(), used)
  room.window = math.max(room.window, last)
end

-- Room::free, while `active` people hold a turn
local function free(active)
  if settings.mode == 'pause' or settings.mode == 'closed' or now < room.hold_until then return 0 end
  if until_when > 0 and now > until_when then return 0 end
  local left = math.max(settings.admission_limit - used_now(), 0)
  if settings.max_active > 0 then left = math.min(left, math.max(settings.max_active - active, 0)) end
  return left
end

-- Room::offer, all but the turn itself; Window::after_turn
local function count_offer(ticket, late)
  room.used = used_now() + 1
  room.window = now
  room.late = late and 1 or 0
  room.admitted = room.admitted + 1
  room.watermark = math.max(room.watermark, ticket)
end

-- One part of the line, read from its head in pages. What is taken leaves the line after the last read.
local function part(key, late)
  return { key = key, late = late, offset = 0, people = {}, at = 1 }
end

local function load_page(from)
  local rows = redis.call('ZRANGE', from.key, whole(from.offset), whole(from.offset + PAGE - 1), 'WITHSCORES')
  from.offset, from.people, from.at = from.offset + PAGE, {}, 1
  local visitors = {}
  for i = 1, #rows, 2 do visitors[#visitors + 1] = rows[i] end
  if #visitors == 0 then return end
  local seen = redis.call('ZMSCORE', SEEN, unpack(visitors))
  local turns = redis.call('HMGET', TURNS, unpack(visitors))
  for i, visitor in ipairs(visitors) do
    from.people[i] = {
      visitor = visitor, ticket = tonumber(rows[2 * i]), late = from.late, seen = tonumber(seen[i] or 0), turn = turns[i],
    }
  end
end

local function head(from)
  if from.at > #from.people and (from.offset == 0 or #from.people == PAGE) then load_page(from) end
  return from.people[from.at]
end

-- Lua compares strings by the server's locale, a sorted set byte by byte.
local function is_lower(a, b)
  if a.ticket ~= b.ticket then return a.ticket < b.ticket end
  for i = 1, 16 do
    local x, y = string.byte(a.visitor, i), string.byte(b.visitor, i)
    if x ~= y then return x < y end
  end
  return false
end

-- Line::next: the part of the line whose head is next; nil where the line is at its end.
local function next_part(prompt, late)
  local first, other = head(prompt), head(late)
  if not first then return other and late end
  if other and room.late == 0 and is_lower(other, first) then return late end
  return prompt
end

-- Hands out the turns that `admit` decided on.
local function hold_all(gone, turns)
  leave(gone)
  local held, ends = {}, {}
  for visitor, turn in pairs(turns) do
    held[#held + 1], held[#held + 2] = visitor, pack_turn(turn)
    ends[#ends + 1], ends[#ends + 2] = whole(turn.till), visitor
  end
  many('HSET', TURNS, held)
  many('ZADD', ENDS, ends)
end

-- Room::admit
local function admit()
  local present_since = now - room.presence * 1000
  local active = redis.call('HLEN', TURNS)
  local prompt, late = part(LINE, false), part(LATE, true)
  local gone, turns, more = {}, {}, true
  while more and #gone < STEPS do
    local from = free(active) > 0 and next_part(prompt, late)
    if from then
      local person = head(from)
      from.at = from.at + 1
      gone[#gone + 1] = person.visitor
      if person.seen >= present_since and may_take(person.turn, person.ticket) then
        count_offer(person.ticket, person.late)
        turns[person.visitor] = new_offer(person.ticket)
        if not person.turn then active = active + 1 end
      end
    else
      more = false
    end
  end
  more = more and free(active) > 0 and (head(prompt) or head(late)) ~= nil
  hold_all(gone, turns)
  return more
end

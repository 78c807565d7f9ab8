-- What every verb stands on: the room's settings, its state, its time, its keys' expiry. Mirrors `queue/room.rs` and
-- `queue/settings.rs`. In front of it stand the constants and key names that `scripts.rs` writes.
--
-- ARGV[1] is the time in ms, or '' for the server's own; ARGV[2] the defaults of `FIELDS`, separated by spaces.
-- Numbers go through `whole` wherever they become text: Lua itself would write 1e+15.

local room, settings, now = {}, {}, 0
local stored_room = {}
-- When the caller gives up, 0 for never.
local until_when = 0

local function whole(number)
  return string.format('%.0f', number)
end

-- One command over a long list, in pieces that the stack bears. The piece is even, so that pairs stay together.
local function many(command, key, list)
  for first = 1, #list, 4000 do
    redis.call(command, key, unpack(list, first, math.min(first + 3999, #list)))
  end
end

-- Field::read: what another version stored out of this one's ranges is left out.
local function read_field(field, stored)
  if not stored then return nil end
  if field.modes then return field.modes[stored] and stored end
  local number = string.find(stored, '^%d+$') and tonumber(stored)
  if number and number >= field.min and number <= field.max then return number end
  return nil
end

-- Settings::with(defaults, changed)
local function read_settings()
  local names = {}
  for i, field in ipairs(FIELDS) do names[i] = field.name end
  local stored, i = redis.call('HMGET', SETTINGS, unpack(names)), 0
  for default in string.gmatch(ARGV[2], '%S+') do
    i = i + 1
    settings[names[i]] = read_field(FIELDS[i], stored[i]) or tonumber(default) or default
  end
  settings.retention = math.max(settings.retention_seconds, settings.presence_seconds)
  settings.ready_max = math.max(settings.ready_max_seconds, settings.ready_ttl_seconds)
  settings.memory = math.max(settings.retention, settings.ready_max) + settings.ready_ttl_seconds
end

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Reads the room; Room::new where there is none yet.
local function open()
  for i, value in ipairs(redis.call('HMGET', STATE, unpack(STATE_FIELDS))) do
    room[STATE_FIELDS[i]] = tonumber(value or 0)
    stored_room[STATE_FIELDS[i]] = room[STATE_FIELDS[i]]
  end
  now = math.max(clock(), room.last)
  if room.epoch == 0 then room.epoch = math.max(now, 1) end
  read_settings()
end

-- Epoch::hold
local function hold_admission(ms)
  room.hold_until = math.max(room.hold_until, now + ms)
end

-- Refreshes an expiry that is missing or has run down by more than a minute, so that not every call writes one.
local function keep(key, seconds)
  local left = redis.call('PTTL', key)
  if left == -1 or (left >= 0 and left < (seconds - 60) * 1000) then
    redis.call('EXPIRE', key, whole(seconds))
  end
end

-- Writes what changed, and sees to it that everything goes by itself when the room falls silent.
local function save()
  local changed = {}
  for _, name in ipairs(STATE_FIELDS) do
    if room[name] ~= stored_room[name] then
      changed[#changed + 1] = name
      changed[#changed + 1] = whole(room[name])
    end
  end
  if #changed > 0 then redis.call('HSET', STATE, unpack(changed)) end
  for _, key in ipairs(CROWD) do keep(key, settings.memory + 3600) end
  keep(STATE, STATE_SECONDS)
end

-- Room::count_entry: nil, or the seconds that the address has to wait. `address`: its 8 bytes.
local function count_entry(address)
  local interval = settings.ip_enqueue_limit_interval * 1000
  local start = now - now % interval
  local key = ENTRIES .. string.gsub(address, '.', function(byte) return string.format('%02x', string.byte(byte)) end)
  local since, count = string.match(redis.call('GET', key) or '', '^(%d+):(%d+)$')
  count = tonumber(since) == start and tonumber(count) or 0
  if count >= settings.ip_enqueue_limit then
    return math.max(math.ceil((start + interval - now) / 1000), 1)
  end
  redis.call('SET', key, whole(start) .. ':' .. whole(count + 1), 'PX', whole(interval * 2 + 60000))
  return nil
end

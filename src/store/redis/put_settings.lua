-- Room::put_settings. ARGV[3…]: field and stored form in turn. Answers with all that was ever changed, as a plain read
-- of the key does.

open()
if #ARGV > 2 then redis.call('HSET', SETTINGS, unpack(ARGV, 3)) end
local version = tonumber(redis.call('HGET', SETTINGS, 'version') or 0)
redis.call('HSET', SETTINGS, 'version', whole(math.max(version + 1, now)))
save()
return redis.call('HGETALL', SETTINGS)

-- Room::put_settings. ARGV[3…]: field and stored form in turn. Answers with all that was ever changed, as a plain read
-- of the key does.

open()
if #ARGV > 2 then redis.call('HSET', SETTINGS, unpack(ARGV, 3)) end
redis.call('HINCRBY', SETTINGS, 'version', 1)
save()
return redis.call('HGETALL', SETTINGS)

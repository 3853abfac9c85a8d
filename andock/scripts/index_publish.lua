-- Puts what was filled in the place of what is read.
-- KEYS: meta, rows, names, paths, and the filled rows, names, paths   ARGV: owner, hold ms, kept s, format, lag ms, lag of the tags in ms or -1
-- Returns the epoch, or 0 when somebody else is the writer.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
for i = 2, 4 do
  redis.call('UNLINK', KEYS[i])
  if redis.call('EXISTS', KEYS[i + 3]) == 1 then redis.call('RENAME', KEYS[i + 3], KEYS[i]) end
end
redis.call('HSET', KEYS[1], 'until', now + ARGV[2], 'format', ARGV[4], 'as_of', now - ARGV[5],
  'tags_as_of', ARGV[6] == '-1' and -1 or now - ARGV[6], 'count', redis.call('HLEN', KEYS[2]))
for i = 1, 4 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)

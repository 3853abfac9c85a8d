-- Lets rows of the index come, change and go.
-- KEYS: meta, rows, names, paths
-- ARGV: owner, hold ms, kept s, epoch, lag ms or -1 (more is to come), lag of the tags in ms or -1,
--       then id, row or '', old name and path member or '', new name and path member or '', ...
-- Returns 1, or 0 when somebody else is the writer or the filling is gone.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local meta = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'count')
if meta[1] ~= ARGV[1] or meta[2] ~= ARGV[4] then return 0 end
if redis.call('HLEN', KEYS[2]) ~= tonumber(meta[3]) then return 0 end -- somebody took rows away
for i = 7, #ARGV, 6 do
  for j = 0, 1 do
    local old, new = ARGV[i + 2 + j], ARGV[i + 4 + j]
    if old ~= '' and old ~= new then redis.call('ZREM', KEYS[3 + j], old) end
    if new ~= '' and old ~= new then redis.call('ZADD', KEYS[3 + j], 0, new) end
  end
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[2], ARGV[i])
  else redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
redis.call('HSET', KEYS[1], 'until', now + ARGV[2], 'count', redis.call('HLEN', KEYS[2]))
if ARGV[5] ~= '-1' then
  redis.call('HSET', KEYS[1], 'as_of', now - ARGV[5], 'tags_as_of', ARGV[6] == '-1' and -1 or now - ARGV[6])
end
for i = 1, 4 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
return 1

-- Lets another watcher write a site's inventory index.
-- KEYS: meta   ARGV: owner
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then redis.call('HDEL', KEYS[1], 'owner', 'until') end
return 1

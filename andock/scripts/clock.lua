-- The question stands in Slack: from now on it waits for its answer, and is looked at again at half time.
-- KEYS: request, open, outbox   ARGV: id, seconds to answer in, message
-- Returns 1, or 0 when it is no longer asked or its time runs already.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state, by = unpack(redis.call('HMGET', KEYS[1], 'state', 'answer_by'))
if state ~= 'approving' or by then return 0 end
redis.call('HSET', KEYS[1], 'answer_by', tostring(now / 1000 + ARGV[2]))
redis.call('ZADD', KEYS[2], now + ARGV[2] * 500, ARGV[1])
redis.call('ZADD', KEYS[3], now, ARGV[3])
redis.call('PUBLISH', KEYS[3], '')
return 1

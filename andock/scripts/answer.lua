-- A person's answer to a paused request, taken once; it opens the next attempt.
-- KEYS: request, open, outbox, audit   ARGV: id, question, sealed answer, look-again ms, sealed record, message
-- Returns the new attempt's number, or 0 when this is no longer asked.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state, question = unpack(redis.call('HMGET', KEYS[1], 'state', 'question'))
if state ~= 'paused' or question ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'answer:' .. ARGV[2], ARGV[3], 'state', 'accepted', 'seen', now)
redis.call('HDEL', KEYS[1], 'answer_by', 'holder')
redis.call('XADD', KEYS[4], '*', 'sealed', ARGV[5])
redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[1])
redis.call('ZADD', KEYS[3], now, ARGV[6])
redis.call('PUBLISH', KEYS[3], '')
return redis.call('HINCRBY', KEYS[1], 'attempt', 1)

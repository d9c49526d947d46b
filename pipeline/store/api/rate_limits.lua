-- GCRA rate limits: takes from all limits of a call, or from none, call by call in order. By the server's clock.
--
-- KEYS  the limits. A key holds the microsecond at which its limit is fully replenished; an unused limit has no key.
-- ARGV  for each call the number of its takes, then for each take: its place in KEYS, what it uses, and what may be
--       used at once; both in microseconds, where a unit is the time in which it is replenished.
--
-- Returns two integers per call: the take that exceeded its limit (from 1; 0: allowed), and the microseconds until it
-- would be allowed. If several exceed their limits, it is the one with the longest wait.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- by place in KEYS: when the limit is fully replenished, and whether that must be written
local whole, changed = {}, {}
local answers = {}

local function whole_at(place, window)
    if not whole[place] then
        whole[place] = tonumber(redis.call('GET', KEYS[place])) or now
        -- more than the window is only possible after the clock was set back or the limit was lowered
        if whole[place] > now + window then
            whole[place] = now + window
            changed[place] = true
        end
    end
    return whole[place]
end

local at = 1
while at <= #ARGV do
    local wanted, refused, wait = {}, 0, 0
    local takes = tonumber(ARGV[at])
    for take = 1, takes do
        local place, window = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
        local after = math.max(now, wanted[place] or whole_at(place, window)) + ARGV[at + 2]
        local over = after - now - window
        if over > wait then
            refused, wait = take, over
        elseif over <= 0 then
            wanted[place] = after
        end
        at = at + 3
    end
    if refused == 0 then
        for place, after in pairs(wanted) do
            whole[place] = after
            changed[place] = true
        end
    end
    answers[#answers + 1] = refused
    answers[#answers + 1] = wait
    at = at + 1
end

for place in pairs(changed) do
    local left = math.ceil((whole[place] - now) / 1000)
    if left > 0 then
        -- %.0f: as an argument a number could be written with an exponent
        redis.call('SET', KEYS[place], string.format('%.0f', whole[place]), 'PX', string.format('%.0f', left))
    end
end

return answers

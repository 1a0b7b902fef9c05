-- Sends whole requests from a file, one after the other: `requests.lua FILE again` begins anew at the end of the file, `once` does
-- not. Each stands in the file after its length and an end of line. At the end, what was measured is printed as JSON.

local requests, file, again, place, last = {}, nil, false, 0, ""

local function next_of_file()
  local length = file:read("*n")
  if not length then return nil end
  file:read(1)
  return file:read(length)
end

function init(arguments)
  file = assert(io.open(arguments[1], "rb"))
  again = arguments[2] == "again"
  if again then
    for request in next_of_file do requests[#requests + 1] = request end
    file:close()
  end
end

function request()
  if again then
    place = place % #requests + 1
    return requests[place]
  end
  local one = next_of_file()
  if one then last = one else used_up = true end
  return last
end

local threads = {}
function setup(thread) threads[#threads + 1] = thread end

function done(summary, latency, _)
  local errors = summary.errors
  local is_used_up = false
  for _, thread in ipairs(threads) do is_used_up = is_used_up or thread:get("used_up") == true end
  io.write(string.format(
    'MEASURED {"requests":%d,"microseconds":%d,"p50":%.0f,"p99":%.0f,"longest":%.0f,"refused":%d,"broken":%d,"used_up":%s}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, tostring(is_used_up)))
end

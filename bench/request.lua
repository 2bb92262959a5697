-- Sends one request over and over. Arguments: the port of the second thread (0: that of the first),
-- the pause before a request (milliseconds on average, 0: none), method, body (may be empty), then
-- "Name: value" lines.
-- At the end it prints one line of JSON, which load.py reads. Times are in milliseconds.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  local port, pause = args[1], tonumber(args[2])
  if number == 2 and port ~= "0" then
    wrk.thread.addr = wrk.lookup("127.0.0.1", port)[1]
  end
  if pause > 0 then
    math.randomseed(number)
    function delay()
      return math.random(0, 2 * pause)
    end
  end
  wrk.method = args[3]
  if args[4] ~= "" then
    wrk.body = args[4]
  end
  for i = 5, #args do
    local name, value = args[i]:match("^([^:]+): (.*)$")
    wrk.headers[name] = value
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "errors": %d}\n',
    summary.requests,
    summary.duration / 1e6,
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout
  ))
end

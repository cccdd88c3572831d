-- What wrk sends: the body in the file BODY, each request with a number of its own; at the end one line of JSON.
local file = io.open(os.getenv("BODY"), "rb")
local body, count = file:read("*a"), 0
file:close()
wrk.method = "POST"

function request()
  count = count + 1
  return wrk.format(nil, nil, nil, (body:gsub("########", string.format("%08d", count))))
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('{"requests": %d, "failed": %d, "seconds": %f, "p50": %f, "p99": %f}\n', summary.requests,
    failed, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end

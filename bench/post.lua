-- wrk's script: one request over and over, and the figures as one line of JSON.
-- Arguments: method, path, length of the request's body, value of Authorization or nothing.
function init(args)
  wrk.method = args[1]
  wrk.path = args[2]
  wrk.headers["Content-Type"] = "application/json"
  if args[4] ~= "" then wrk.headers["Authorization"] = args[4] end
  local length = tonumber(args[3])
  if length > 0 then
    local head = '{"subCCNo":1,"vdnId":1,"callData":"'
    wrk.body = head .. string.rep("x", length - #head - 2) .. '"}'
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON {"requests":%d,"bytes":%d,"us":%d,"p50":%d,"p99":%d,"wrong":%d}\n',
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end

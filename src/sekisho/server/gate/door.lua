-- Stands behind jwt_authn: says whether the cookie is good here, and takes off what no app may see.
-- Only what is said here to be good goes past ext_authz unasked; an error in here asks (see shapes).
local PREFIX = "x-sekisho-"
local function host_of(authority)
  if authority == nil then return "" end
  local name = string.lower(authority)
  if string.sub(name, 1, 1) == "[" then return string.match(name, "^%[[^%]]*%]") or "" end
  return string.match(name, "^([^:]*)") or ""
end

local function strip_cookie(headers)
  if headers:get("cookie") == nil then return end
  local kept, own, state = {}, "", ""
  local size = headers:getNumValues("cookie")
  for place = 0, size - 1 do
    for part in string.gmatch(headers:getAtIndex("cookie", place), "[^;]+") do
      local pair = string.match(part, "^%s*(.-)%s*$")
      local name, value = string.match(pair, "^([^=]*)=(.*)$")
      if name ~= nil and string.sub(name, 1, 14) == "__Host-sekisho" then
        if name == COOKIE then own = value end
        if name == "__Host-sekisho-state" then state = value end
      elseif pair ~= "" then
        kept[#kept + 1] = pair
      end
    end
  end
  headers:remove("cookie")
  if #kept > 0 then headers:add("cookie", table.concat(kept, "; ")) end
  return own, state
end

local function is_good(handle, claims, route)
  if claims == nil or claims["aud"] ~= route:get("resource") then return false end
  if route:get(claims["sid"]) ~= nil then return false end
  if claims["door"] ~= DOOR then return false end
  if DOOR == "browser" then return true end
  local tls = handle:streamInfo():downstreamSslConnection()
  if tls == nil or not tls:peerCertificateValidated() then return false end
  if tls:uriSanPeerCertificate()[1] ~= "sekisho:device:" .. claims["dev"] then return false end
  return string.match(tls:serialNumberPeerCertificate(), "^0*(.*)$") == claims["crt"]
end

-- HTTP/2 has no key for a WebSocket (RFC 8441 section 5); an app that speaks HTTP/1.1 wants one.
local function add_key(handle, headers, stream)
  if stream:protocol() ~= "HTTP/2" or headers:get("sec-websocket-key") ~= nil then return end
  if string.lower(headers:get("upgrade") or "") ~= "websocket" then return end
  local key = {}
  for place = 1, 16 do key[place] = string.char(math.random(0, 255)) end
  headers:add("sec-websocket-key", handle:base64Escape(table.concat(key)))
end

function envoy_on_request(handle)
  local headers, stream = handle:headers(), handle:streamInfo()
  local method = headers:get(":method")
  local verified = stream:dynamicMetadata():get("envoy.filters.http.jwt_authn")
  local claims = verified and verified["claims"]
  local own, state = strip_cookie(headers)
  local told = stream:dynamicMetadata()
  told:set("sekisho", "door", DOOR)
  if state ~= nil and state ~= "" then told:set("sekisho", "state", state) end
  if method == "CONNECT" then return end
  local server = stream:requestedServerName()
  if server ~= "" and string.lower(server) ~= host_of(headers:get(":authority")) then
    handle:respond({[":status"] = "421", ["content-type"] = "text/plain"}, "421 Misdirected Request\n")
    return
  end
  local route = handle:metadata()
  if route:get("resource") == nil then
    if own ~= nil and own ~= "" then told:set("sekisho", "cookie", own) end
    return
  end
  if route:get("desktop") ~= nil then told:set("sekisho", "ends", route:get("desktop")) end
  add_key(handle, headers, stream)
  if is_good(handle, claims, route) then
    headers:add(PREFIX .. "user", claims["sub"])
    headers:add(PREFIX .. "email", claims["email"])
    headers:add(PREFIX .. "session", claims["sid"])
    if claims["dev"] ~= nil then headers:add(PREFIX .. "device", claims["dev"]) end
    told:set("sekisho", "good", true)
    told:set("sekisho", "session", claims["sid"])
  elseif own ~= nil and own ~= "" then
    told:set("sekisho", "cookie", own)
  end
end

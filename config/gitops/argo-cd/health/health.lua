-- The health of a Tenant or an EventSubscription for Argo CD, as kstatus has it.
local hs = {status = "Progressing", message = "The operator has not looked at it yet"}
if obj.status == nil or obj.status.conditions == nil then
  return hs
end
local found = {}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end
local ready = found["Ready"]
if ready ~= nil then
  hs.message = ready.message
end
-- What is said of an earlier spec does not count.
if obj.status.observedGeneration ~= nil and obj.metadata.generation ~= nil
    and obj.status.observedGeneration ~= obj.metadata.generation then
  hs.message = "The operator has not looked at this generation yet"
  return hs
end
if found["Reconciling"] ~= nil and found["Reconciling"].status == "True" then
  hs.message = found["Reconciling"].message
  return hs
end
if found["Stalled"] ~= nil and found["Stalled"].status == "True" then
  hs.status = "Degraded"
  hs.message = found["Stalled"].message
  return hs
end
if ready ~= nil and ready.status == "True" then
  hs.status = "Healthy"
end
return hs

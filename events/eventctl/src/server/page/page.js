"use strict";
const find = (id) => document.getElementById(id);
const SHOWN = 300;
let samples = {};
let paused = false;
const waiting = [];
const rows = new Map();

function option(value) {
  const element = document.createElement("option");
  element.value = value;
  element.textContent = value;
  return element;
}

function cell(text, name) {
  const element = document.createElement("td");
  // Texts of events are never read as HTML.
  element.textContent = text ?? "";
  if (name) element.className = name;
  return element;
}

function tenantSeen(tenant) {
  const known = [...find("filter").options].some((one) => one.value === tenant);
  if (tenant && !known) find("filter").append(option(tenant));
}

const time = (entry) => new Date(entry.seen_at).toLocaleTimeString([], { hour12: false });
const last = (name) => (name ?? "").split("/").pop();

function detail(entry) {
  const again = entry.delivery_attempt > 1 ? `delivery ${entry.delivery_attempt}` : "";
  const outcome = ["success", "published"].includes(entry.outcome) ? "" : entry.outcome;
  return [outcome, entry.reason, again].filter(Boolean).join(" · ");
}

// One row for each event of a tenant, with its latest state; the newest event stands first.
function show(entry) {
  tenantSeen(entry.tenant);
  if (entry.kind === "dead-lettered") showDead(entry);
  const key = `${entry.tenant}\n${entry.event_id ?? entry.message_id}`;
  const before = rows.get(key);
  // The worker may be heard before the publisher has its answer.
  if (before && entry.kind === "published") return;
  const row = before ?? document.createElement("tr");
  row.dataset.tenant = entry.tenant;
  row.dataset.event = entry.event_id ?? "";
  row.dataset.state = entry.kind;
  const state = cell();
  const badge = document.createElement("span");
  badge.className = `state ${entry.kind}`;
  badge.textContent = entry.kind;
  state.append(badge);
  const type = entry.event_type ?? row.dataset.type ?? "";
  row.dataset.type = type;
  row.replaceChildren(cell(time(entry)), state, cell(entry.tenant), cell(type), cell(entry.event_id ?? entry.message_id, "id"), cell(detail(entry), "detail"));
  if (!before) {
    rows.set(key, row);
    find("rows").prepend(row);
    if (rows.size > SHOWN) {
      const [oldest, gone] = rows.entries().next().value;
      gone.remove();
      rows.delete(oldest);
    }
  }
  row.hidden = !matches(row);
  find("no-events").hidden = true;
}

function showDead(entry) {
  const row = document.createElement("tr");
  row.dataset.tenant = entry.tenant;
  row.dataset.event = entry.event_id ?? "";
  row.append(cell(time(entry)), cell(entry.tenant), cell(entry.event_type), cell(entry.event_id ?? entry.message_id, "id"), cell(entry.delivery_attempt), cell(last(entry.place)));
  row.hidden = !matches(row);
  find("dead").prepend(row);
  while (find("dead").rows.length > SHOWN) find("dead").lastElementChild.remove();
  find("no-dead").hidden = true;
  find("dead-count").textContent = String(find("dead").rows.length);
}

const matches = (row) => !find("filter").value || row.dataset.tenant === find("filter").value;

function take(message) {
  const entry = JSON.parse(message.data);
  if (paused) waiting.push(entry);
  else show(entry);
}

function connect() {
  // EventSource comes again by itself, with Last-Event-ID.
  const source = new EventSource("/events/stream");
  for (const kind of ["published", "handled", "failed", "refused", "dead-lettered"]) source.addEventListener(kind, take);
  const say = (text, name) => {
    find("connection").textContent = text;
    find("connection").className = name;
  };
  source.addEventListener("open", () => say("live", ""));
  source.addEventListener("error", () => say("the server is away; trying again", "bad"));
}

function sample() {
  const fields = samples[find("type").value];
  if (fields) find("data").value = JSON.stringify(fields, null, 2);
}

async function publish(event) {
  event.preventDefault();
  const answer = find("answer");
  const say = (text, name) => {
    answer.textContent = text;
    answer.className = name;
  };
  const draft = { event_type: find("type").value.trim(), tenant_id: find("tenant").value.trim() };
  const data = find("data").value.trim();
  // The text goes as it is, so that numbers keep all their digits.
  const body = data ? `${JSON.stringify(draft).slice(0, -1)},"data":${data}}` : JSON.stringify(draft);
  try {
    if (data) JSON.parse(data);
  } catch (error) {
    say(`data: ${error.message}`, "bad");
    find("data").focus();
    return;
  }
  try {
    const response = await fetch("/test/publish-event", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    const result = await response.json();
    if (response.ok) say(`Published ${result.event_id}`, "good");
    else say((result.errors ?? []).map((wrong) => `${wrong.field}: ${wrong.detail}`).join("\n") || result.detail, "bad");
  } catch {
    say("The server is away.", "bad");
  }
}

async function begin() {
  find("publish").addEventListener("submit", publish);
  find("type").addEventListener("change", sample);
  find("filter").addEventListener("change", () => {
    for (const row of document.querySelectorAll("#rows tr, #dead tr")) row.hidden = !matches(row);
  });
  find("pause").addEventListener("click", () => {
    paused = !paused;
    find("pause").setAttribute("aria-pressed", String(paused));
    if (!paused) for (const entry of waiting.splice(0)) show(entry);
  });
  connect();
  const about = await (await fetch("/about")).json();
  samples = about.samples;
  find("project").textContent = `project ${about.project} ·`;
  find("tenants").append(...about.tenants.map(option));
  find("types").append(...Object.keys(samples).map(option));
  about.tenants.forEach(tenantSeen);
  find("tenant").value ||= about.tenants[0] ?? "";
  find("type").value ||= "document.ingested";
  if (!find("data").value) sample();
}

begin();

// Reads the account at HUBSPOT_BASE_URL with HubSpot's official client and
// compares what it says in its several ways with each other.
import assert from "node:assert/strict";
import { Client } from "@hubspot/api-client";

const hubspot = new Client({
  accessToken: process.env.HUBSPOT_ACCESS_TOKEN,
  basePath: process.env.HUBSPOT_BASE_URL,
  numberOfApiCallRetries: 0,
});
const { contacts, companies, properties, owners, pipelines, schemas, associations } = hubspot.crm;
const wanted = ["email", "city", "hs_object_id", "no_such_property"];

async function allContacts() {
  const found = [];
  for (let after; ; ) {
    const page = await contacts.basicApi.getPage(100, after, wanted);
    found.push(...page.results);
    after = page.paging?.next?.after;
    if (!after) return found;
  }
}

async function searchAll(total) {
  const found = [];
  for (let last = "0"; ; last = found.at(-1).id) {
    const page = await contacts.searchApi.doSearch({
      filterGroups: [{ filters: [{ propertyName: "hs_object_id", operator: "GT", value: last }] }],
      sorts: [{ propertyName: "hs_object_id", direction: "ASCENDING" }],
      properties: ["email"],
      limit: 200,
    });
    assert.equal(page.total, total - found.length);
    if (page.total === 0) return found;
    found.push(...page.results);
  }
}

const listed = await allContacts();
assert.ok(listed.length > 200, "several pages");
for (const c of listed) {
  assert.equal(c.properties.hs_object_id, c.id);
  assert.ok(c.createdAt instanceof Date && c.updatedAt >= c.createdAt && c.archived === false);
  assert.equal("no_such_property" in c.properties, false);
}
const ids = listed.map((c) => c.id);
assert.deepEqual(ids, ids.toSorted((a, b) => Number(a) - Number(b)));
assert.deepEqual((await searchAll(listed.length)).map((c) => c.id), ids);
assert.equal((await contacts.getAll(100)).length, listed.length);

const batch = await contacts.batchApi.read({
  inputs: [...ids.slice(0, 99), "424242"].map((id) => ({ id })), properties: wanted, propertiesWithHistory: [],
});
assert.equal(batch.results.length, 99);
assert.equal(batch.numErrors, 1);
assert.deepEqual(batch.errors[0].context.ids, ["424242"]);
const emails = new Map(batch.results.map((c) => [c.id, c.properties.email]));
for (const c of listed.slice(0, 99)) assert.equal(emails.get(c.id), c.properties.email);
assert.equal((await contacts.basicApi.getById(ids[0], wanted)).properties.email, listed[0].properties.email);

const names = (await properties.coreApi.getAll("contacts")).results.map((p) => p.name);
assert.ok(names.includes("email") && names.includes("lastmodifieddate"));
assert.equal((await properties.coreApi.getByName("contacts", "email")).type, "string");

const people = await owners.ownersApi.getPage(undefined, undefined, 10);
assert.equal(people.results.length, 10);
assert.ok((await owners.ownersApi.getPage(undefined, people.paging.next.after, 500)).results.length > 0);
assert.ok((await owners.ownersApi.getPage(undefined, undefined, 100, true)).results.every((o) => o.archived));

const sales = (await pipelines.pipelinesApi.getAll("deals")).results[0];
assert.equal(sales.createdAt.getTime(), 0);
assert.equal((await pipelines.pipelineStagesApi.getById("deals", sales.id, sales.stages[0].id)).label, sales.stages[0].label);
assert.ok((await schemas.coreApi.getAll()).results.some((s) => s.name === "tickets" && s.objectTypeId.startsWith("2-")));

const inputs = ids.slice(0, 50).map((id) => ({ id }));
const linked = await associations.v4.batchApi.getPage("contacts", "companies", { inputs });
assert.equal(linked.results.length + linked.numErrors, 50);
const legacy = await associations.batchApi.read("contacts", "companies", { inputs });
assert.deepEqual(legacy.results.map((r) => r.to[0].id), linked.results.map((r) => String(r.to[0].toObjectId)));
const company = await companies.basicApi.getById(legacy.results[0].to[0].id);
const back = await associations.v4.batchApi.getPage("companies", "contacts", { inputs: [{ id: company.id }] });
assert.ok(back.results[0].to.some((l) => String(l.toObjectId) === legacy.results[0]._from.id));

await assert.rejects(contacts.basicApi.getPage(101), (e) => e.code === 400);
console.log(`checked ${listed.length} contacts`);

// What the platform answers, and how it is asked. The names are the JSON's of
// the Go packages finding, indicator, org and api.

export type Observable = { kind: string; value: string };
export type Evidence = { event_uid: string; time: string; tier: string; summary: string; fields: Record<string, string>; matched?: string[] };
export type Level = "informational" | "low" | "medium" | "high" | "critical";
export type FindingState = "new" | "escalated" | "closed" | "dismissed";
export type Finding = {
  id: string; org: string; node: string; device: string; realm: string; source: string; state: FindingState; title: string;
  rule: { id: string; title: string; title_ja?: string; description?: string; level: Level; techniques?: string[] };
  observables: Observable[] | null; evidence: Evidence[] | null; indicator?: string;
  first_seen: string; last_seen: string; count: number; found_at: string; reason?: string; by?: string; version: number;
};
export type IndicatorState = "active" | "held" | "revoked" | "expired" | "refused" | "proposed";
export type Reason = { check: string; verdict: string; text: string; text_ja: string };
export type Indicator = {
  id: string; org: string; observable: Observable; tlp: string; pap: string; realm: string; state: IndicatorState; action: string;
  confidence: number; reason: string; reason_ja?: string; techniques?: string[]; finding?: string; policy?: string; by: string;
  verdict: string; gate_reasons?: Reason[]; valid_until: string; created: string; modified: string; revoked_why?: string;
  sightings: number; version: number;
};
export type Hop = { name: string; at: string; ms: number | null };
export type Signal = { indicator: Indicator; edges: number; acknowledged: number; hops: Hop[] };
export type Tower = { sector: string; orgs: { id: string; name: string; name_ja: string; edges: number; confirmed: number; state: string }[] };
export type Beacon = {
  as_of: string;
  time_to_protect: { p50_ms: number | null; p99_ms: number | null; count: number; window_hours: number };
  edges: { total: number; protected: number; behind: { node: string; name: string; org: string; state: string; since: string }[] };
  false_block: { blocks: number; revoked: number; rate: number | null };
  held: number; signals: Signal[]; towers: Tower[];
  activity: { start: string; events: number; signals: number }[] | null;
  stages: { observe: { per_second: number }; analyse: { open: number }; intel: { active: number; held: number }; share: { waiting: number }; nodes: { total: number; away: number } };
};
export type Delivery = { node: string; org: string; name: string; feed: string; seq: number; state: string; received: string; enforced: string; acknowledged: string };
export type Clock = Record<"t0_sensed" | "t1_found" | "t2_decided" | "t3_durable" | "t4_received" | "t5_enforced" | "t6_acknowledged", string>;
export type IndicatorDetail = {
  indicator: Indicator & { clock: Clock }; deliveries: Delivery[]; sightings: Finding[];
  history: { at: string; actor: string; action: string }[];
};
export type NodeInfo = {
  id: string; org: string; name: string; role: string; state: "active" | "away" | "cut"; tier: string; version: string; addr: string; last_seen: string;
  lag_ms: number; clock_skew_ms: number; events: number; events_per_second: number; dropped: number; quarantined: number; spooled: number;
  queries: number; blocked: number; malformed: number; limits: string[]; not_after: string; certificate_overdue: boolean; cut_why?: string;
};
export type ActionState = "open" | "claimed" | "excepted" | "proved" | "refuted";
export type Seen = { at: string; text: string; by?: string };
export type Threat = { kev?: boolean; kev_added?: string; ransomware?: boolean; epss?: number; cvss?: number; ssvc?: string; why?: string; why_ja?: string };
export type Weakness = {
  org?: string; asset: { kind: string; key: string; name?: string; importance?: string; exposed?: boolean }; place: string; check: string; name: string;
  title: string; title_ja: string; version?: string; fix?: string; fix_ja?: string; level: Level; threat?: Threat; evidence?: Seen[]; reference?: string;
};
export type Action = {
  id: string; org: string; owner_known: boolean; realm: string; source: string; weakness: Weakness; state: ActionState; assignee?: string;
  due: string; due_why: string; due_why_ja: string; exception?: { reason: string; asked_by: string; approver?: string; until: string };
  first_seen: string; last_seen: string; last_looked: string; ended?: string; reopened: number; escalated: number; silent: number; proof?: Seen;
  refuted_until?: string; priority: number; why?: string; why_ja?: string; by?: string; version: number;
};
export type ActionChange = { at: string; actor: string; action: string; state: { reason?: string; why?: string; why_ja?: string; assignee?: string } };
export type ActionDetail = { action: Action; history: ActionChange[] };
export type Figures = {
  org?: string; sector?: string; live: number; states: Record<ActionState, number>; levels: Record<string, number>; ages: { days: number; count: number }[];
  overdue: number; found: number; proved: number; half_life_days: number | null; median_fix_days: number | null; in_time: number | null; owner_known: number | null; reopened: number | null;
};
export type ActionFigures = { as_of: string; days: number; all: Figures; sectors: Figures[] | null; organisations: Figures[] | null };
export type List<T> = { items: T[]; next?: string };
export type Service = {
  place: string; state: string; first_seen: string; last_seen: string;
  seen: {
    service?: string; vendor?: string; product?: string; version?: string; package_version?: string; os?: string; http?: { title?: string; status: number };
    tls?: { versions: string[]; post_quantum: boolean; subject?: string; not_after?: string }; ssh?: { kex?: string[]; post_quantum: boolean }; evidence?: Record<string, string>;
  };
};
export type Difference = { id: string; org: string; asset: string; address: string; place: string; kind: "new" | "changed" | "gone" | "returned"; before?: string; after?: string; at: string };
export type Asset = { id: string; org: string; address: string; first_seen: string; last_seen: string; last_looked: string; services: Service[]; changes?: Difference[] };
export type Scope = {
  id: string; org: string; state: string; text?: string; recorded: string; recorded_by: string; approved_by?: string; why?: string; version: number;
  terms: { owner: string; survey?: "iot"; contact: string; legal_basis: string; proof: string; ranges: string[]; excluded?: string[]; places: string[]; targets: number; valid_until: string };
};
export type OptOut = { id: string; org: string; state: string; prefix: string; contact: string; reason: string; asked: string; version: number };
export type ScanRun = { id: string; org: string; state: string; by: string; only?: string[]; began: string; ended?: string; why?: string; open: number; changes: number; weaknesses: number };
export type Crypto = { org: string; asset: string; address: string; place: string; kind: string; post_quantum_ready: boolean; why: string; why_ja: string; versions?: string[]; groups?: string[]; signature?: string; key_bits?: number; not_after?: string };
export type Readiness = { ports: number; ready: number; versions: Record<string, number>; keys: Record<string, number>; certificates_ending: number };
export type Discovery = {
  id: string; org: string; asset: Observable; third_party?: boolean; owner: string; state: string; confidence: number; first_seen: string; last_seen: string;
  judgement?: { state: string; by: string; at: string; reason: string }; returned?: string[]; version: number;
  evidence?: { share: number; factor?: number; stale?: boolean; text: string; text_ja: string; facts?: { asked?: string; from?: string; said?: string }[] }[];
};
export type DiscoveryDetail = { discovery: Discovery; history: { at: string; actor: string; action: string }[] };
export type Done = { id: string; state: ActionState; assignee?: string; due: string };
export type Hit = { org: string; system: string; name: string; version: string; owner: string; importance?: string; seen_as: string[]; seen?: { at: string; ports: string[] }; weakness: string; component: string; purl: string; fixed?: string; by: string[]; path?: string[]; decision?: Decision; action?: Done };
export type VexStatus = "affected" | "under_investigation" | "fixed" | "not_affected";
export type Decision = { status: VexStatus; justification?: string; why?: string; action?: string; at: string; author?: string; document?: string; against?: string[]; record?: string; from?: string };
export type Choice = { system: string; weakness: string; purl?: string; status: VexStatus; justification?: string; why?: string; where: "system" | "organisation" | "below"; holds: string; until?: string; name: string; component: string; who?: string };
export type Vex = { id: string; org: string; state: string; at: string; changed: string; by: string; who?: string; reason?: string; below?: boolean; choice?: Choice; version: number };
export type Who = { asked: string; organisations: number; systems: number; looked: number; decided: number; items: Hit[]; next?: string };
export type Bill = { number: number; version: string; format: string; components: number; quality: number; at: string };
export type System = { id: string; org: string; name: string; owner: string; importance?: string; seen_as?: string[]; in_force?: Bill; version: number };
export type SystemDetail = { system: System; bills: Bill[]; found: { hits: Hit[]; total: number; decided: number; unjudged: Record<string, number> } };
export type Feed = { name: string; kind: string; believed?: { at: string; by: string }; waiting?: { at: string }; why?: string; why_ja?: string; version: number };
export type Notice = {
  id: string; org: string; realm: string; group: string; state: string; proof?: string; last_seen: string; version: number;
  device: { address: string; type: string; name?: string; name_ja?: string; firmware?: string }; weak: { place: string; name: string; level: Level; title: string; title_ja: string }[];
};
export type LetterSide = { subject: string; parts: { heading: string; lines: string[]; steps?: boolean }[] };
export type NoticeDetail = { notice: Notice; letter: { en: LetterSide; ja: LetterSide }; history: { at: string; actor: string; action: string }[]; feedback: { at: string; who: string; verdict: string; words?: string }[] };
export type NoticeFigures = { month: string; all: { found: number; notified: number; fixed: number; infected_per_day_max: number; fixed_of_notified: number } };
export type Text = { en: string; ja: string };
export type FlowState = "fine" | "slow" | "stuck";
export type StatusHop = {
  name: string; state: FlowState; since: string; waiting: number | null; unit: string; bytes: number | null; oldest_ms: number | null; per_second: number | null;
  why: Text; do: Text; rows: string;
};
export type Fact = { name: string; value: number; unit: string; text?: string };
export type Part = { kind: string; name: string; id?: string; org?: string; hub?: string; state: FlowState; since: string; lag_ms: number | null; why: Text; do: Text; facts: Fact[]; rows: string };
export type Status = {
  as_of: string; hub: string; state: FlowState; since: string; why: Text; do: Text; hops: StatusHop[]; parts: Part[] | null;
  nodes: { active: number; away: number; cut: number; trouble: number }; whole: boolean;
};
export type Org = { id: string; parent?: string; slug: string; name: string; name_ja: string; kana?: string; sector: string };
export type Row = { time: string; fields: Record<string, string> };
export type Counted = { value: string; count: number };
export type Session = { person: { id: string; name: string }; roles: string[]; organisation: { id: string; name: string; name_ja: string }; version: string };
export type Page<T> = { items: T[]; next?: string; counts: Record<string, number> };

// Problem is an RFC 9457 answer as an error a person can read.
export class Problem extends Error {
  constructor(public status: number, detail: string) {
    super(detail);
  }
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const r = await fetch("/api/v1" + path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (r.status === 204) return undefined as T;
  const text = await r.text();
  const json = text ? JSON.parse(text) : undefined;
  if (!r.ok) {
    const more = (json?.errors ?? []).map((e: { message: string; location?: string }) => `${e.location ?? ""} ${e.message}`).join("; ");
    throw new Problem(r.status, [json?.detail, more].filter(Boolean).join(": ") || r.statusText);
  }
  return json as T;
}

export const get = <T,>(path: string) => ask<T>("GET", path);
export const post = <T,>(path: string, body: unknown) => ask<T>("POST", path, body);
export const del = (path: string) => ask<void>("DELETE", path);

// query writes search parameters, leaving out what is empty.
export function query(params: Record<string, string | number | undefined>): string {
  const p = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) if (v !== undefined && v !== "") p.set(k, String(v));
  const s = p.toString();
  return s ? "?" + s : "";
}

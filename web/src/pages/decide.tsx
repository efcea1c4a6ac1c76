// Deciding about one hit (VEX): the form, what was decided before, and taking it back.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Decision, get, type Hit, type List, type Org, post, query, type Vex, type VexStatus } from "../api.ts";
import { clockTime, useT } from "../i18n.ts";
import { Ask, Failed, StateMark } from "../ui.tsx";
import { day } from "./actions.tsx";

const statuses: VexStatus[] = ["not_affected", "affected", "fixed", "under_investigation"];
const justifications = ["component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path", "vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist"] as const;
const places = ["system", "organisation", "below"] as const;
const conditions = ["any", "version", "range"] as const;

// above lists an organisation and those above it that the reader may see.
function above(orgs: Org[], id: string): Org[] {
  const list: Org[] = [];
  for (let o = orgs.find((x) => x.id === id); o && !list.includes(o); o = orgs.find((x) => x.id === o!.parent)) list.push(o);
  return list;
}

// DecideForm makes a decision about a hit.
export function DecideForm({ h, orgs, close }: { h: Hit; orgs: Org[]; close: () => void }) {
  const { t, word, pick } = useT();
  const cache = useQueryClient();
  const [status, setStatus] = useState<VexStatus>(h.decision?.status ?? "not_affected");
  const [justification, setJustification] = useState(h.decision?.justification ?? "");
  const [why, setWhy] = useState("");
  const [where, setWhere] = useState<(typeof places)[number]>("system");
  const [holds, setHolds] = useState<(typeof conditions)[number]>(status === "fixed" ? "version" : "any");
  const [range, setRange] = useState(() => rangeOf(h.purl));
  const [until, setUntil] = useState("");
  const [org, setOrg] = useState(h.org);
  const chain = above(orgs, h.org);
  const send = useMutation({
    mutationFn: () => post<Vex>("/decisions/choose", {
      system: h.system, weakness: h.weakness, purl: h.purl || undefined, status, where, holds: holds === "range" ? range : holds,
      justification: status === "not_affected" ? justification : undefined, why: why.trim() || undefined, org: where === "below" ? org : undefined, until: until ? until + "T00:00:00Z" : undefined,
    }),
    onSuccess: close,
    onSettled: () => void Promise.all(["hit", "systems", "decisions", "action", "actions"].map((k) => cache.invalidateQueries({ queryKey: [k] }))),
  });
  const choose = (s: VexStatus) => { setStatus(s); if (s === "fixed" && holds === "any") setHolds("version"); };
  return (
    <form className="ask decide" aria-label={t("decideTitle")} onSubmit={(e) => { e.preventDefault(); send.mutate(); }}
      onKeyDown={(e) => { if (e.key === "Escape" && !e.nativeEvent.isComposing) { e.stopPropagation(); close(); } }}>
      <p><b>{h.weakness}</b> <span className="mono">{h.component}</span> · {h.name}</p>
      <label>{t("whatIsDecided")}<select autoFocus value={status} onChange={(e) => choose(e.target.value as VexStatus)}>{statuses.map((s) => <option key={s} value={s}>{word("vex_" + s)}</option>)}</select></label>
      {status === "not_affected" && <label>{t("justification")}<select required value={justification} onChange={(e) => setJustification(e.target.value)}><option value="">{t("chooseReason")}</option>{justifications.map((j) => <option key={j} value={j}>{word(j)}</option>)}</select></label>}
      <label>{t(status === "affected" ? "whatToDo" : "inWords")}<input value={why} onChange={(e) => setWhy(e.target.value)} placeholder={t("whyWords")} maxLength={600} /></label>
      <label>{t("whereHolds")}<select value={where} onChange={(e) => setWhere(e.target.value as typeof where)}>{places.map((p) => <option key={p} value={p} disabled={p !== "system" && !h.purl}>{t(`where_${p}`)}</option>)}</select></label>
      {where === "below" && chain.length > 1 && <label>{t("decidesAs")}<select value={org} onChange={(e) => setOrg(e.target.value)}>{chain.map((o) => <option key={o.id} value={o.id}>{pick(o.name, o.name_ja)}</option>)}</select></label>}
      <label>{t("holdsFor")}<select value={holds} onChange={(e) => setHolds(e.target.value as typeof holds)}>{conditions.map((c) => <option key={c} value={c} disabled={c === "any" && status === "fixed" || c === "range" && !h.purl}>{t(`holds_${c}`)}</option>)}</select></label>
      {holds === "range" && <label>{t("versionRange")}<input className="mono" required value={range} onChange={(e) => setRange(e.target.value)} pattern="vers:.+" /></label>}
      <label>{t("endsOn")}<input type="date" value={until} min={new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)} onChange={(e) => setUntil(e.target.value)} /></label>
      {send.error ? <Failed error={send.error} /> : null}
      <p className="actions"><button type="submit" disabled={send.isPending || status === "not_affected" && !justification}>{t("decide")}</button> <button type="button" className="quiet" onClick={close}>{t("cancel")}</button></p>
    </form>
  );
}

// rangeOf begins a range with the version that is there.
function rangeOf(purl: string): string {
  const [, type, version] = /^pkg:([^/]+)\/[^?#]*@([^?#@]+)/.exec(purl) ?? [];
  return type ? `vers:${type}/>=${decodeURIComponent(version!)}` : "vers:";
}

// Decided says what was decided about a hit, with why and by whom.
export function Decided({ d, of, name, short }: { d: Decision; of: string; name: (org: string) => string; short?: boolean }) {
  const { t, word } = useT();
  const why = [d.justification && word(d.justification), d.why, d.action].filter(Boolean).join(" · ");
  const silent = d.status === "not_affected" || d.status === "fixed";
  const from = d.from && d.from !== of;
  return (
    <span className={silent ? "ok" : "amber"} title={short ? why : undefined}>
      <span aria-hidden="true">{silent ? "✓" : "◇"}</span> {word("vex_" + d.status)}{!short && why && <small className="muted"> {why}</small>}
      {from && <small className="amber"> {t("fromAbove")} {name(d.from!) === "—" ? d.author : name(d.from!)}</small>}
      {!short && d.against && <small className="amber"> {t("decidedAgainst")}: {d.against.join("; ")}</small>}
    </span>
  );
}

// Chosen lists what people decided about a weakness, those that ended among them.
export function Chosen({ weakness, system, name }: { weakness: string; system: string; name: (org: string) => string }) {
  const { t, lang, word } = useT();
  const cache = useQueryClient();
  const [taking, setTaking] = useState<Vex>();
  const list = useQuery({ queryKey: ["decisions", weakness], queryFn: () => get<List<Vex>>("/decisions" + query({ weakness })) });
  const take = useMutation({
    mutationFn: (reason: string) => post(`/decisions/${taking!.id}/withdraw`, { version: taking!.version, reason }),
    onSuccess: () => setTaking(undefined),
    onSettled: () => void Promise.all(["hit", "systems", "decisions", "action", "actions"].map((k) => cache.invalidateQueries({ queryKey: [k] }))),
  });
  const items = (list.data?.items ?? []).filter((v) => v.choice!.where !== "system" || v.choice!.system === system);
  return (
    <>
      <h3>{t("decisionsMade")}</h3>
      {list.error || take.error ? <Failed error={list.error ?? take.error} /> : null}
      {list.data && items.length === 0 && <p className="muted">{t("noDecisions")}</p>}
      {taking && <Ask label={t("whyWithdrawn")} submit={(r) => take.mutate(r)} cancel={() => setTaking(undefined)} />}
      <ul className="near">{items.map((v) => {
        const c = v.choice!;
        return (
          <li key={v.id}>
            <time className="num">{clockTime(v.at, lang)}</time> <StateMark state={v.state} /> <b>{word("vex_" + c.status)}</b> {c.justification && word(c.justification)} {c.why}
            <small className="muted"> {c.who ?? ""} · {name(v.org)} · {t(`where_${c.where}`)} · {c.holds.startsWith("vers:") ? <span className="mono">{c.holds}</span> : word("holds_" + c.holds)} · <span className="mono">{c.component}</span>{c.until && ` · ${t("until")} ${day(c.until, lang)}`}</small>
            {v.state === "withdrawn" && <small className="muted"> {clockTime(v.changed, lang)} {v.who}: {v.reason}</small>}
            {v.state === "in_force" && <> <button onClick={() => setTaking(v)}>{t("withdrawDecision")}</button></>}
          </li>
        );
      })}</ul>
    </>
  );
}

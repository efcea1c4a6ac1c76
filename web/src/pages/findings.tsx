// 所見 Findings: triage by keyboard, with the evidence beside the list.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { type Finding, get, type Indicator, type Observable, type Org, type Page, post, query, type Row } from "../api.ts";
import { clockTime, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { go, setParams, useLocation } from "../route.ts";
import { Ask, defang, Failed, Fields, Lead, LevelMark, Realm, StateMark } from "../ui.tsx";

export const states = ["new", "escalated", "closed", "dismissed"] as const;

export function FindingsPage({ orgs }: { orgs: Org[] }) {
  const { t, lang, pick, word } = useT();
  const { params } = useLocation();
  const cache = useQueryClient();
  const filter = { state: params.get("state") ?? "new", level: params.get("level") ?? "", q: params.get("q") ?? "", realm: params.get("realm") ?? "", cursor: params.get("cursor") ?? "" };
  const list = useQuery({ queryKey: ["findings", filter], queryFn: () => get<Page<Finding>>("/findings" + query({ ...filter, state: filter.state === "all" ? "" : filter.state, limit: 100 })) });
  const items = list.data?.items ?? [];
  const at = params.get("id") ?? undefined;
  const [asking, setAsking] = useState<"" | "closed" | "dismissed" | "indicator">("");
  const [picked, setPicked] = useState<Set<string>>(new Set());
  const [error, setError] = useState<unknown>();
  const search = useRef<HTMLInputElement>(null);
  const one = useQuery({ queryKey: ["finding", at], queryFn: () => get<Finding>("/findings/" + at), enabled: !!at });
  const decide = useMutation({
    mutationFn: async ({ state, reason }: { state: string; reason: string }) => {
      const targets = picked.size ? items.filter((f) => picked.has(f.id)) : one.data ? [one.data] : [];
      for (const f of targets) await post(`/findings/${f.id}/state`, { state, reason, version: f.version });
    },
    onSettled: (_d, e) => { setError(e ?? undefined); setAsking(""); if (!e) { setPicked(new Set()); cursor.j(); } void cache.invalidateQueries({ queryKey: ["findings"] }); void cache.invalidateQueries({ queryKey: ["finding"] }); },
  });
  const cursor = useCursor(items, at, (id) => { setAsking(""); setParams({ id }); });
  const ready = !!at || picked.size > 0;
  useKeys({
    ...cursor, x: () => at && setPicked((p) => { const n = new Set(p); if (!n.delete(at)) n.add(at); return n; }),
    e: () => ready && setAsking("closed"), d: () => ready && setAsking("dismissed"), i: () => at && setAsking("indicator"),
    "/": () => search.current?.focus(), " ": () => (at ? setParams({ id: undefined }) : cursor.j()), Escape: () => (asking ? setAsking("") : picked.size ? setPicked(new Set()) : setParams({ id: undefined })),
  });
  const org = (id: string) => { const o = orgs.find((x) => x.id === id); return o ? pick(o.name, o.name_ja) : "—"; };
  const open = list.data?.counts.new ?? 0;
  return (
    <>
      <Lead urgent={open > 0} help="helpFindings">{open > 0 ? `${open} ${t("findingsNeed")}` : t("findingsCalm")}</Lead>
      <nav className="tabs" aria-label={t("filter")}>
        {[...states, "all"].map((s) => <button key={s} aria-pressed={filter.state === s} onClick={() => setParams({ state: s === "new" ? undefined : s, cursor: undefined, id: undefined })}>{word(s)} <small className="num">{s === "all" ? "" : (list.data?.counts[s] ?? "")}</small></button>)}
        <select aria-label={t("level")} value={filter.level} onChange={(e) => setParams({ level: e.target.value })}>
          <option value="">{t("level")}</option>{["low", "medium", "high", "critical"].map((l) => <option key={l} value={l}>≥ {word(l)}</option>)}
        </select>
        <select aria-label={`${t("real")} / ${t("exercise")}`} value={filter.realm} onChange={(e) => setParams({ realm: e.target.value, cursor: undefined })}>
          <option value="">{t("real")} + {t("exercise")}</option><option value="real">{t("real")}</option><option value="exercise">{t("exercise")}</option>
        </select>
        <input ref={search} type="search" placeholder={`${t("filter")} (/)`} aria-label={t("filter")} defaultValue={filter.q} onKeyDown={(e) => { if (e.key === "Enter" && !e.nativeEvent.isComposing) setParams({ q: e.currentTarget.value, cursor: undefined }); if (e.key === "Escape") e.currentTarget.blur(); }} />
        {picked.size > 0 && <span className="ember">{picked.size} {t("selected")}</span>}
      </nav>
      {(list.error || error) ? <Failed error={list.error ?? error} /> : null}
      <div className="split">
        <section className="main scroll">
          {list.data && items.length === 0 && <p className="empty">{t("emptyFindings")}</p>}
          <table className="dense">
            <thead><tr><th className="mark"><span className="hidden">{t("selected")}</span></th><th>{t("level")}</th><th>{t("title")}</th><th>{t("org")}</th><th>{t("device")}</th><th className="num">{t("count")}</th><th>{t("lastSeen")}</th></tr></thead>
            <tbody>
              {items.map((f) => (
                <tr key={f.id} id={f.id} className={f.id === at ? "on" : ""} aria-selected={f.id === at} onClick={() => setParams({ id: f.id })}>
                  <td className="mark">{picked.has(f.id) ? "✓" : ""}</td>
                  <td><LevelMark level={f.rule.level} /></td>
                  <td><a href={`/findings${query({ ...filter, id: f.id })}`} onClick={(e) => e.preventDefault()}><Realm realm={f.realm} />{pick(f.rule.title, f.rule.title_ja)}</a> <small className="mono muted">{f.title}</small></td>
                  <td>{org(f.org)}</td><td>{f.device}</td><td className="num">{f.count}</td><td className="num">{clockTime(f.last_seen, lang)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {list.data?.next && <button onClick={() => setParams({ cursor: list.data.next }, false)}>→</button>}
        </section>
        <aside className="peek" aria-label={t("evidence")}>
          {asking === "closed" || asking === "dismissed" ? <Ask label={`${word(asking)}: ${t("reason")}`} submit={(reason) => decide.mutate({ state: asking, reason })} cancel={() => setAsking("")} /> : null}
          {one.data ? <Peek f={one.data} org={org(one.data.org)} making={asking === "indicator"} ask={setAsking} reopen={() => decide.mutate({ state: "new", reason: "" })} /> : <p className="empty">{t("pickOne")}</p>}
        </aside>
      </div>
    </>
  );
}

function Peek({ f, org, making, ask, reopen }: { f: Finding; org: string; making: boolean; ask: (a: "" | "closed" | "dismissed" | "indicator") => void; reopen: () => void }) {
  const { t, lang, pick } = useT();
  const near = useQuery({ queryKey: ["nearby", f.id], queryFn: () => get<{ rows: Row[] }>(`/findings/${f.id}/nearby`) });
  const e = f.evidence?.[0];
  return (
    <article>
      <h2><Realm realm={f.realm} />{pick(f.rule.title, f.rule.title_ja)}</h2>
      <p><LevelMark level={f.rule.level} /> <StateMark state={f.state} /> <span className="muted">{org} · {f.device} · ×{f.count} · {clockTime(f.first_seen, lang)} – {clockTime(f.last_seen, lang)}</span></p>
      <p className="actions">
        {f.state === "new" ? <><button onClick={() => ask("indicator")}>{t("makeIndicator")}</button><button onClick={() => ask("closed")}>{t("close")}</button><button onClick={() => ask("dismissed")}>{t("dismiss")}</button></> : <button onClick={reopen}>{t("reopen")}</button>}
        {f.indicator && <a href={"/indicators?id=" + f.indicator}>{t("openAll")}</a>}
      </p>
      {f.reason && <p className="muted">{t("reason")}: {f.reason}</p>}
      {making && <Make f={f} done={() => ask("")} />}
      <h3>{t("why")}</h3>
      <p className="muted">{f.rule.description}</p>
      <p className="muted">{f.rule.techniques?.join(" · ")}</p>
      {e?.matched && <ul className="matched">{e.matched.map((m) => <li key={m} className="mono">{m}</li>)}</ul>}
      <h3>{t("observables")}</h3>
      <ul className="chips">{(f.observables ?? []).map((o) => <li key={o.kind + o.value}><button className="mono" onClick={() => go("/search" + query({ q: JSON.stringify(o.value) }))}>{defang(o)}</button> <small className="muted">{o.kind}</small></li>)}</ul>
      {e && <><h3>{t("evidence")} <small className="muted">{clockTime(e.time, lang)} · {e.tier}</small></h3><Fields fields={e.fields} onPick={(k, v) => go("/search" + query({ q: `${JSON.stringify(k)}:=${JSON.stringify(v)}` }))} /></>}
      <h3>{t("nearby")} <small className="muted">±30 s</small></h3>
      <ul className="near">{(near.data?.rows ?? []).slice(0, 60).map((r, i) => <li key={i}><time className="num">{clockTime(r.time, lang)}</time> <span className="mono">{r.fields._msg}</span></li>)}</ul>
    </article>
  );
}

function Make({ f, done }: { f: Finding; done: () => void }) {
  const { t } = useT();
  const cache = useQueryClient();
  const options = f.observables ?? [];
  const [o, setO] = useState(0);
  const make = useMutation({
    mutationFn: (body: { observable: Observable } & Record<string, unknown>) => post<Indicator>(`/findings/${f.id}/indicator`, body),
    onSuccess: (ind) => { void cache.invalidateQueries(); done(); go("/indicators?id=" + ind.id); },
  });
  return (
    <form className="make" onKeyDown={(e) => { if (e.key === "Escape" && !e.nativeEvent.isComposing) done(); }} onSubmit={(e) => {
      e.preventDefault();
      const d = new FormData(e.currentTarget);
      make.mutate({ observable: options[o], action: d.get("action"), tlp: d.get("tlp"), pap: d.get("pap"), confidence: Number(d.get("confidence")), valid_hours: Number(d.get("hours")), reason: d.get("reason"), reason_ja: d.get("reason_ja") });
    }}>
      <label>{t("observables")}<select autoFocus value={o} onChange={(e) => setO(Number(e.target.value))}>{options.map((x, i) => <option key={x.value} value={i}>{x.value}</option>)}</select></label>
      <label>{t("action")}<select name="action"><option value="block">{t("block")}</option><option value="sinkhole">{t("sinkhole")}</option><option value="observe">{t("observeOnly")}</option></select></label>
      <label>TLP<select name="tlp" defaultValue="TLP:GREEN">{["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"].map((x) => <option key={x}>{"TLP:" + x}</option>)}</select></label>
      <label>PAP<select name="pap" defaultValue="PAP:GREEN">{["CLEAR", "GREEN", "AMBER", "RED"].map((x) => <option key={x}>{"PAP:" + x}</option>)}</select></label>
      <label>{t("confidence")}<input name="confidence" type="number" min={0} max={100} defaultValue={75} /></label>
      <label>{t("validHours")}<input name="hours" type="number" min={1} max={8760} defaultValue={168} /></label>
      <label className="wide">{t("reason")} (EN) <small className="muted">{t("reasonHint")}</small><input name="reason" required maxLength={400} defaultValue={f.rule.title} /></label>
      <label className="wide">{t("reason")} (日本語)<input name="reason_ja" maxLength={200} defaultValue={f.rule.title_ja} /></label>
      {make.error ? <Failed error={make.error} /> : null}
      <p><button type="submit" disabled={!options.length || make.isPending}>{t("decide")}</button> <button type="button" className="quiet" onClick={done}>{t("cancel")}</button></p>
    </form>
  );
}

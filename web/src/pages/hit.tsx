// 影響照会 Who is hit: one question, answered by every bill of materials in reach.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { type Feed, get, type Hit, type List, type Org, post, query, type System, type SystemDetail, type Who } from "../api.ts";
import { clockTime, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { setParams, useLocation } from "../route.ts";
import { Failed, Lead, StateMark } from "../ui.tsx";
import { day } from "./actions.tsx";
import { Chosen, Decided, DecideForm } from "./decide.tsx";
import { useOrg } from "./surface.tsx";

export function HitPage({ orgs }: { orgs: Org[] }) {
  const { t, lang } = useT();
  const comma = lang === "ja" ? "、" : ", ";
  const { params } = useLocation();
  const name = params.get("name") ?? "";
  const who = useQuery({ queryKey: ["hit", name, params.get("cursor")], queryFn: () => get<Who>("/who-is-hit" + query({ name, cursor: params.get("cursor") ?? "" })), enabled: !!name, retry: false });
  const feeds = useQuery({ queryKey: ["advisories"], queryFn: () => get<List<Feed>>("/advisories") });
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => { if (!name) input.current?.focus(); }, [name]);
  useKeys({ "/": () => input.current?.focus() });
  const doubted = (feeds.data?.items ?? []).filter((f) => f.waiting).length;
  const w = who.data;
  return (
    <>
      <Lead urgent={!!w?.systems || doubted > 0} help="helpHit">{w ? (w.systems ? `${w.asked}: ${w.organisations} ${t("organisationsHit")}${comma}${w.systems} ${t("systemsHit")}` : `${w.asked}: ${t("nobodyHit")} (${w.looked} ${t("systemsLooked")}${w.decided ? `${comma}${w.decided} ${t("decidedNone")}` : ""})`) : doubted ? `${doubted} ${t("feedsDoubted")}` : t("askWho")}</Lead>
      <form className="queryline" onSubmit={(e) => { e.preventDefault(); const v = input.current!.value.trim(); if (v) setParams({ name: v, id: undefined, at: undefined, cursor: undefined }, false); }}>
        <input ref={input} key={name} defaultValue={name} placeholder="CVE-2024-3094 (/)" aria-label={t("weaknessName")} className="mono" />
        <button type="submit">{t("run")}</button>
        {w && w.items.length > 0 && <a className="muted" href={"/api/v1/who-is-hit/export.csv" + query({ name })} target="_blank" rel="noreferrer" download>{t("exportCsv")}</a>}
      </form>
      {who.error ? <Failed error={who.error} /> : null}
      {w && w.items.length > 0 && <Hits w={w} orgs={orgs} />}
      {!name && <Systems orgs={orgs} feeds={feeds.data?.items ?? []} />}
    </>
  );
}

// keyOf tells a hit from the others of an answer.
const keyOf = (h: Hit) => `${h.system} ${h.weakness} ${h.purl || h.component}`;

function Hits({ w, orgs }: { w: Who; orgs: Org[] }) {
  const { t, lang } = useT();
  const name = useOrg(orgs);
  const { params } = useLocation();
  const at = params.get("at") ?? undefined;
  const [deciding, setDeciding] = useState(false);
  const items = w.items.map((h) => ({ ...h, id: keyOf(h) }));
  const one = items.find((h) => h.id === at);
  const select = (id?: string) => { setDeciding(false); setParams({ at: id }); };
  useKeys({ ...useCursor(items, at, select), d: () => { if (one) setDeciding(true); }, Escape: () => (deciding ? setDeciding(false) : select()) });
  return (
    <div className="split">
      <section className="main scroll">
        <table className="dense">
          <thead><tr><th>{t("org")}</th><th>{t("system")}</th><th>{t("component")}</th><th>{t("fixedIn")}</th><th>{t("exposedAs")}</th><th>{t("decision")}</th><th>{t("state")}</th><th className="num">{t("due")}</th></tr></thead>
          <tbody>{items.map((h) => (
            <tr key={h.id} id={h.id} className={h.id === at ? "on" : ""} aria-selected={h.id === at} onClick={() => select(h.id)}>
              <td>{name(h.org)}</td><td><a href={"/hit?id=" + h.system}>{h.name}</a> <small className="muted">{h.version}</small></td><td className="mono">{h.component}</td><td className="mono">{h.fixed || "—"}</td>
              <td><Reached h={h} short /></td><td>{h.decision ? <Decided d={h.decision} of={h.org} name={name} short /> : "—"}</td><td>{h.action ? <a href={"/actions?state=all&id=" + h.action.id}><StateMark state={h.action.state} /></a> : "—"}</td><td className="num">{h.action ? day(h.action.due, lang) : "—"}</td>
            </tr>
          ))}</tbody>
        </table>
        {w.next && <button onClick={() => setParams({ cursor: w.next, at: undefined }, false)}>→</button>}
      </section>
      <aside className="peek" aria-label={t("decision")}>
        {!one ? <p className="empty">{t("pickHit")}</p> : (
          <article>
            <h2>{one.weakness} <small className="mono">{one.component}</small></h2>
            <p className="muted">{name(one.org)} · <a href={"/hit?id=" + one.system}>{one.name}</a> {one.version} · {t("owner")}: {one.owner || "—"}</p>
            {deciding ? <DecideForm key={one.id} h={one} orgs={orgs} close={() => setDeciding(false)} /> : <p className="actions"><button onClick={() => setDeciding(true)}>{t("decideHit")}</button></p>}
            <dl className="fields">
              <div><dt>{t("decision")}</dt><dd>{one.decision ? <Decided d={one.decision} of={one.org} name={name} /> : "—"}</dd></div>
              <div><dt>{t("path")}</dt><dd>{(one.path ?? []).join(" → ") || "—"}</dd></div>
              <div><dt>{t("fixedIn")}</dt><dd className="mono">{one.fixed || "—"}</dd></div>
              <div><dt>{t("exposedAs")}</dt><dd><Reached h={one} /></dd></div>
              <div><dt>{t("advisories")}</dt><dd className="mono">{one.by.join(", ")}</dd></div>
            </dl>
            <Chosen weakness={one.weakness} system={one.system} name={name} />
          </article>
        )}
      </aside>
    </div>
  );
}

// Reached says how a system is reached from outside, and who says so.
function Reached({ h, short }: { h: Hit; short?: boolean }) {
  const { t, lang } = useT();
  if (h.seen) return <span className="amber" title={h.seen_as.join(" ")}>◆ {t("seenOutside")} {day(h.seen.at, lang)} {!short && <small className="mono">{h.seen.ports.join(", ")}</small>}</span>;
  if ((h.seen_as ?? []).length) return <span className="amber" title={h.seen_as.join(" ")}>◇ {t("saidByOwner")} {!short && <small className="mono">{h.seen_as.join(" ")}</small>}</span>;
  return <span className="muted">{t("notExposed")}</span>;
}

function Systems({ orgs, feeds }: { orgs: Org[]; feeds: Feed[] }) {
  const { t, lang, pick } = useT();
  const { params } = useLocation();
  const cache = useQueryClient();
  const name = useOrg(orgs);
  const list = useQuery({ queryKey: ["systems", params.get("q"), params.get("cursor")], queryFn: () => get<List<System>>("/systems" + query({ q: params.get("q") ?? "", cursor: params.get("cursor") ?? "", limit: 100 })) });
  const items = list.data?.items ?? [];
  const at = params.get("id") ?? undefined;
  const accept = useMutation({ mutationFn: (f: Feed) => post(`/advisories/${f.name}/accept`, { version: f.version }), onSettled: () => void cache.invalidateQueries({ queryKey: ["advisories"] }) });
  useKeys({ ...useCursor(items, at, (id) => setParams({ id })), Escape: () => setParams({ id: undefined }) });
  return (
    <div className="split">
      <section className="main scroll">
        {list.error || accept.error ? <Failed error={list.error ?? accept.error} /> : null}
        {list.data && items.length === 0 && <p className="empty">{t("emptySystems")}</p>}
        {items.length > 0 && <table className="dense">
          <thead><tr><th>{t("system")}</th><th>{t("org")}</th><th>{t("version")}</th><th className="num">{t("components")}</th><th className="num">{t("quality")}</th><th>{t("owner")}</th><th>{t("lastSeen")}</th></tr></thead>
          <tbody>{items.map((s) => <tr key={s.id} id={s.id} className={s.id === at ? "on" : ""} aria-selected={s.id === at} onClick={() => setParams({ id: s.id })}><td><a href={"/hit?id=" + s.id} onClick={(e) => e.preventDefault()}>{s.name}</a></td><td>{name(s.org)}</td><td>{s.in_force?.version || "—"}</td><td className="num">{s.in_force?.components ?? "—"}</td><td className="num">{s.in_force?.quality ?? "—"}</td><td>{s.owner || "—"}</td><td className="num">{s.in_force ? clockTime(s.in_force.at, lang) : "—"}</td></tr>)}</tbody>
        </table>}
        {list.data?.next && <button onClick={() => setParams({ cursor: list.data.next }, false)}>→</button>}
        <h2>{t("feeds")}</h2>
        {feeds.length === 0 && <p className="muted">{t("noFeeds")}</p>}
        {feeds.length > 0 && <table className="dense"><tbody>{feeds.map((f) => <tr key={f.name}><td>{f.name}</td><td className="muted">{f.kind}</td><td className="num">{f.believed ? clockTime(f.believed.at, lang) : "—"}</td><td>{f.waiting ? <span className="amber">◇ {pick(f.why ?? "", f.why_ja)} <button onClick={() => accept.mutate(f)}>{t("believe")}</button></span> : <span className="ok">✓</span>}</td></tr>)}</tbody></table>}
      </section>
      <aside className="peek" aria-label={t("system")}>{at ? <SystemPeek key={at} id={at} name={name} orgs={orgs} /> : <p className="empty">{t("pickOne")}</p>}</aside>
    </div>
  );
}

function SystemPeek({ id, name, orgs }: { id: string; name: (org: string) => string; orgs: Org[] }) {
  const { t, lang, word } = useT();
  const one = useQuery({ queryKey: ["systems", "one", id], queryFn: () => get<SystemDetail>("/systems/" + id) });
  const [deciding, setDeciding] = useState<string>();
  const d = one.data;
  if (!d) return one.error ? <Failed error={one.error} /> : null;
  const s = d.system;
  return (
    <article>
      <h2>{s.name}</h2>
      <p className="muted">{name(s.org)} · {t("owner")}: {s.owner || "—"} · {s.importance ? word(s.importance) : "—"} {(s.seen_as ?? []).join(" ")}</p>
      <h3>{t("weaknesses")} <small className="num">{d.found.total}</small>{d.found.decided > 0 && <small className="muted"> {d.found.decided} {t("decidedNone")}</small>}</h3>
      <ul className="near">{d.found.hits.slice(0, 100).map((h, i) => <li key={i}><a href={"/hit" + query({ name: h.weakness, at: keyOf(h) })}>{h.weakness}</a> <span className="mono">{h.component}</span> {h.fixed && <small className="muted">→ {h.fixed}</small>}{h.decision && <div><Decided d={h.decision} of={h.org} name={name} /></div>}{h.path && h.path.length > 1 && <div className="muted">{h.path.join(" → ")}</div>}{deciding === keyOf(h) ? <DecideForm h={h} orgs={orgs} close={() => setDeciding(undefined)} /> : <button className="quiet" aria-label={`${t("decideOne")}: ${h.weakness} ${h.component}`} onClick={() => setDeciding(keyOf(h))}>{t("decideOne")}</button>}</li>)}</ul>
      {d.found.hits.length > 0 && <p className="muted">{t("tellVex")}: {["openvex", "cyclonedx", "csaf"].map((f) => <a key={f} href={`/api/v1/systems/${s.id}/vex?format=${f}`} target="_blank" rel="noreferrer" download>{{ openvex: "OpenVEX", cyclonedx: "CycloneDX", csaf: "CSAF" }[f]} </a>)}</p>}
      {Object.keys(d.found.unjudged ?? {}).length > 0 && <><h3>{t("unjudged")}</h3><ul>{Object.entries(d.found.unjudged).map(([k, n]) => <li key={k}><b className="num">{n}</b> {k}</li>)}</ul></>}
      <h3>{t("bills")}</h3>
      <ul className="near">{d.bills.map((b) => <li key={b.number}><b>{b.version || `#${b.number}`}</b> {b.format} · {b.components} {t("components")} · {t("quality")} {b.quality} <small className="muted">{clockTime(b.at, lang)}</small> <a href={`/api/v1/systems/${s.id}/bills/${b.number}?format=cyclonedx`} target="_blank" rel="noreferrer" download>CycloneDX</a></li>)}</ul>
    </article>
  );
}

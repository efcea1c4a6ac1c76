// 是正 Actions: every weakness with its owner, its date and its proof.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { type Action, type ActionDetail, type ActionFigures, get, type Org, type Page, post, query } from "../api.ts";
import { clockTime, type Key, longDate, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { setParams, useLocation } from "../route.ts";
import { Ask, Failed, Lead, LevelMark, Realm, StateMark } from "../ui.tsx";

const states = ["open", "claimed", "excepted", "proved", "refuted"] as const;
const live = (a: Action) => a.state === "open" || a.state === "claimed" || a.state === "excepted";
const late = (a: Action) => (a.state === "open" || a.state === "claimed") && Date.parse(a.due) < Date.now();

// The works of a person, each with the key that begins it and what it asks.
const works = { claim: "workPrompt", assign: "whoDoes", comment: "comment", except: "exceptWhy", refute: "refuteWhy", approve: "approve", refuse: "denyException" } as const;
type Work = keyof typeof works;

export function ActionsPage({ orgs }: { orgs: Org[] }) {
  const { t, pick, word, lang } = useT();
  const { params } = useLocation();
  const cache = useQueryClient();
  const p = (name: string) => params.get(name) ?? "";
  const filter = { state: p("state") || "open", level: p("level"), source: p("source"), org: p("org"), realm: p("realm"), overdue: p("overdue"), kev: p("kev"), owner_unknown: p("owner_unknown"), q: p("q"), sort: p("sort") || "due" };
  const asked = { ...filter, state: filter.state === "all" ? "" : filter.state };
  const list = useQuery({ queryKey: ["actions", asked, p("cursor")], queryFn: () => get<Page<Action>>("/actions" + query({ ...asked, cursor: p("cursor"), limit: 100 })) });
  const figures = useQuery({ queryKey: ["actions", "figures", filter.org], queryFn: () => get<ActionFigures>("/actions/figures" + query({ org: filter.org })) });
  const items = list.data?.items ?? [];
  const at = params.get("id") ?? undefined;
  const one = useQuery({ queryKey: ["action", at], queryFn: () => get<ActionDetail>("/actions/" + at), enabled: !!at });
  const [asking, setAsking] = useState<Work>();
  const search = useRef<HTMLInputElement>(null);
  const work = useMutation({
    mutationFn: ({ what, text, until }: { what: Work; text: string; until?: string }) => {
      const a = one.data!.action;
      return post(`/actions/${a.id}/${what}`, { version: a.version, ...(what === "assign" ? { assignee: text } : { reason: text }), ...(until ? { until } : {}) });
    },
    onSuccess: () => setAsking(undefined),
    onSettled: () => { void cache.invalidateQueries({ queryKey: ["actions"] }); void cache.invalidateQueries({ queryKey: ["action"] }); },
  });
  const begin = (w: Work) => () => { work.reset(); if (one.data && live(one.data.action)) setAsking(w); };
  useKeys({
    ...useCursor(items, at, (id) => { setAsking(undefined); setParams({ id }); }), c: begin("claim"), a: begin("assign"), m: begin("comment"), x: begin("except"), d: begin("refute"),
    "/": () => search.current?.focus(), Escape: () => (asking ? setAsking(undefined) : setParams({ id: undefined })),
  });
  const org = (id: string) => { const o = orgs.find((x) => x.id === id); return o ? pick(o.name, o.name_ja) : "—"; };
  const overdue = figures.data?.all.overdue ?? 0;
  const todo = (list.data?.counts.open ?? 0) + (list.data?.counts.claimed ?? 0);
  const change = (name: string) => (e: { target: { value: string } }) => setParams({ [name]: e.target.value, cursor: undefined });
  return (
    <>
      <Lead urgent={overdue > 0} help="helpActions" at={figures.data?.as_of}>{overdue > 0 ? `${overdue} ${t("actionsOverdue")}` : todo > 0 ? `${todo} ${t("actionsDue")}` : t("actionsCalm")}</Lead>
      {figures.data && <Figures f={figures.data} />}
      <nav className="tabs" aria-label={t("filter")}>
        {[...states, "all"].map((s) => <button key={s} aria-pressed={filter.state === s} onClick={() => setParams({ state: s === "open" ? undefined : s, cursor: undefined, id: undefined })}>{word(s)} <small className="num">{s === "all" ? "" : (list.data?.counts[s] ?? "")}</small></button>)}
        <select aria-label={t("level")} value={filter.level} onChange={change("level")}><option value="">{t("level")}</option>{["low", "medium", "high", "critical"].map((l) => <option key={l} value={l}>≥ {word(l)}</option>)}</select>
        <select aria-label={t("source")} value={filter.source} onChange={change("source")}><option value="">{t("source")}</option>{["surface", "sbom", "iot"].map((x) => <option key={x} value={x}>{word(x)}</option>)}</select>
        {orgs.length > 1 && <select aria-label={t("org")} value={filter.org} onChange={change("org")}><option value="">{t("org")}</option>{orgs.map((o) => <option key={o.id} value={o.id}>{pick(o.name, o.name_ja)}</option>)}</select>}
        {(["overdue", "kev", "owner_unknown"] as const).map((f) => <button key={f} aria-pressed={!!filter[f]} onClick={() => setParams({ [f]: filter[f] ? undefined : "true", cursor: undefined })}>{t(({ overdue: "overdue", kev: "kevOnly", owner_unknown: "ownerUnknown" } as const)[f])}</button>)}
        <select aria-label={t("sortBy")} value={filter.sort} onChange={change("sort")}><option value="due">{t("byDue")}</option><option value="priority">{t("byPriority")}</option><option value="seen">{t("bySeen")}</option></select>
        <input ref={search} type="search" placeholder={`${t("filter")} (/)`} aria-label={t("filter")} defaultValue={filter.q} onKeyDown={(e) => { if (e.key === "Enter" && !e.nativeEvent.isComposing) setParams({ q: e.currentTarget.value, cursor: undefined }); if (e.key === "Escape") e.currentTarget.blur(); }} />
        <a className="muted" href={"/api/v1/actions/export.csv" + query(asked)} target="_blank" rel="noreferrer" download>{t("exportCsv")}</a>
        <a className="muted" href={"/report" + query({ org: filter.org })}>{t("printReport")}</a>
      </nav>
      {(list.error || figures.error) ? <Failed error={list.error ?? figures.error} /> : null}
      <div className="split">
        <section className="main scroll">
          {list.data && items.length === 0 && <p className="empty">{t("emptyActions")}</p>}
          {items.length > 0 && <table className="dense">
            <thead><tr><th>{t("level")}</th><th className="num">{t("due")}</th><th>{t("title")}</th><th>{t("asset")}</th><th>{t("org")}</th><th>{filter.state === "all" ? t("state") : t("assignee")}</th></tr></thead>
            <tbody>
              {items.map((a) => (
                <tr key={a.id} id={a.id} className={a.id === at ? "on" : ""} aria-selected={a.id === at} onClick={() => setParams({ id: a.id })}>
                  <td><LevelMark level={a.weakness.level} /></td><td className={"num" + (late(a) ? " failing" : "")}>{late(a) ? "◆ " : ""}{day(a.due, lang)}</td>
                  <td><a href={"/actions" + query({ ...filter, id: a.id })} onClick={(e) => e.preventDefault()}><Realm realm={a.realm} />{pick(a.weakness.title, a.weakness.title_ja)}</a> {a.weakness.threat?.kev && <small className="failing">◆ {t("kev")}</small>} <small className="mono muted">{a.weakness.name}</small></td>
                  <td>{a.weakness.asset.name || a.weakness.asset.key} <small className="mono muted">{a.weakness.place}</small></td>
                  <td>{a.owner_known ? org(a.org) : <span className="amber">◇ {t("ownerUnknown")}</span>}</td>
                  <td>{filter.state === "all" ? <StateMark state={a.state} /> : a.assignee || "—"}</td>
                </tr>
              ))}
            </tbody>
          </table>}
          {list.data?.next && <button onClick={() => setParams({ cursor: list.data.next }, false)}>→</button>}
        </section>
        <aside className="peek" aria-label={t("evidence")}>
          {asking && <Deed what={asking} submit={(text, until) => work.mutate({ what: asking, text, until })} cancel={() => setAsking(undefined)} />}
          {work.error ? <Failed error={work.error} /> : null}
          {one.data ? <Peek d={one.data} org={org(one.data.action.org)} begin={(w) => begin(w)()} /> : one.error ? <Failed error={one.error} /> : <p className="empty">{t("pickOne")}</p>}
        </aside>
      </div>
    </>
  );
}

// Figures are what the centre and its parent ask each month.
function Figures({ f }: { f: ActionFigures }) {
  const { t } = useT();
  const none = <small>{t("notKnownYet")}</small>;
  const share = (n: number | null) => (n === null ? none : <>{Math.round(n * 100)}<small>%</small></>);
  const span = (n: number | null) => (n === null ? none : <>{n.toFixed(n < 10 ? 1 : 0)}<small>{t("days")}</small></>);
  return (
    <section className="figures">
      <div><h2>{t("overdue")}</h2><p className={"figure" + (f.all.overdue ? " amber" : "")}><a href="/actions?overdue=true">{f.all.overdue}</a></p></div>
      <div><h2>{t("halfLife")}</h2><p className="figure">{span(f.all.half_life_days)}</p></div>
      <div><h2>{t("fixedInTime")}</h2><p className="figure">{share(f.all.in_time)}</p></div>
      <div><h2>{t("ownersKnown")}</h2><p className="figure"><a href="/actions?owner_unknown=true">{share(f.all.owner_known)}</a></p></div>
    </section>
  );
}

function Deed({ what, submit, cancel }: { what: Work; submit: (text: string, until?: string) => void; cancel: () => void }) {
  const { t } = useT();
  const ahead = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  const [until, setUntil] = useState(() => ahead(what === "except" ? 30 : 90));
  const dated = what === "except" || what === "refute";
  return (
    <Ask label={t(works[what] as Key)} submit={(text) => submit(text, dated ? until + "T00:00:00Z" : undefined)} cancel={cancel}>
      {dated && <label>{t("until")}<input type="date" value={until} min={ahead(1)} max={ahead(365)} onChange={(e) => setUntil(e.target.value)} /></label>}
    </Ask>
  );
}

function Peek({ d, org, begin }: { d: ActionDetail; org: string; begin: (w: Work) => void }) {
  const { t, lang, pick, word } = useT();
  const a = d.action, w = a.weakness, waits = a.exception && !a.exception.approver;
  return (
    <article>
      <h2><Realm realm={a.realm} />{pick(w.title, w.title_ja)}</h2>
      <p><LevelMark level={w.level} /> <StateMark state={a.state} /> <span className="muted">{a.owner_known ? org : t("ownerUnknown")} · {w.asset.name || w.asset.key} · <span className="mono">{w.place}</span></span></p>
      {live(a) && <p className="actions">{(["claim", "assign", "comment", "except", "refute"] as const).map((x) => <button key={x} onClick={() => begin(x)}>{t(x)}</button>)}</p>}
      {waits && <p className="amber">◇ {t("asksException")}: {a.exception!.reason} ({day(a.exception!.until, lang)}) <button onClick={() => begin("approve")}>{t("approve")}</button> <button onClick={() => begin("refuse")}>{t("denyException")}</button></p>}
      <dl className="fields">
        <div><dt>{t("due")}</dt><dd className={late(a) ? "failing" : ""}>{longDate(new Date(a.due), lang)}</dd></div>
        <div><dt>{t("dueWhy")}</dt><dd>{pick(a.due_why, a.due_why_ja)}</dd></div>
        <div><dt>{t("assignee")}</dt><dd>{a.assignee || "—"}</dd></div>
        <div><dt>{t("firstSeen")}</dt><dd>{clockTime(a.first_seen, lang)}{a.reopened > 0 && ` · ${a.reopened} ${t("reopenedTimes")}`}</dd></div>
        <div><dt>{t("lastSeen")}</dt><dd>{clockTime(a.last_seen, lang)}</dd></div>
        <div><dt>{t("lastLooked")}</dt><dd>{clockTime(a.last_looked, lang)}</dd></div>
        <div><dt>{t("source")}</dt><dd>{word(a.source)} · {w.check}{w.version && ` · ${w.version}`}</dd></div>
      </dl>
      {(w.fix || w.fix_ja) && <><h3>{t("howToFix")}</h3><p>{pick(w.fix ?? "", w.fix_ja)}</p></>}
      {w.threat && (w.threat.why || w.threat.ssvc) && <><h3>{t("threat")} {w.threat.ssvc && <small>SSVC: {w.threat.ssvc}</small>}</h3><p className="muted">{pick(w.threat.why ?? "", w.threat.why_ja)}{w.threat.epss ? ` EPSS ${(w.threat.epss * 100).toFixed(1)} %` : ""}{w.threat.cvss ? ` · CVSS ${w.threat.cvss}` : ""}</p></>}
      {a.why && <p className="muted">{t("reason")}: {pick(a.why, a.why_ja)}</p>}
      <h3>{t("evidence")}</h3>
      <ul className="near">{(w.evidence ?? []).map((e, i) => <li key={i}><time className="num">{clockTime(e.at, lang)}</time> <span className="mono">{e.text}</span></li>)}</ul>
      {a.proof && <><h3>{t("proof")}</h3><p className="ok">✓ {clockTime(a.proof.at, lang)} {a.proof.text}</p></>}
      {a.state === "claimed" && <p className="muted">{t("onlySurveyProves")}</p>}
      <h3>{t("history")}</h3>
      <ul className="near">{d.history.map((h, i) => <li key={i}><time className="num">{clockTime(h.at, lang)}</time> <b>{word("did_" + h.action).replace(/^did_/, "")}</b> <span className="muted">{h.actor.replace(/^(person|hub):/, "")}</span> {pick(h.state.why ?? h.state.reason ?? "", h.state.why_ja)}{h.state.assignee && h.action === "assigned" ? h.state.assignee : ""}</li>)}</ul>
    </article>
  );
}

// day writes a date as short as a list needs it.
export function day(at: string, lang: "ja" | "en"): string {
  if (!at || at.startsWith("0001")) return "—";
  return new Date(at).toLocaleDateString(lang === "ja" ? "ja-JP" : "en-GB", { year: "numeric", month: "short", day: "numeric" });
}

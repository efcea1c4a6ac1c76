// 攻撃対象面 Attack surface: what the Internet sees of an organisation, what became
// different since last week, what may be its own, and what may be scanned.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Action, type Asset, type Difference, get, type List, type Org, type Page, post, query, type ScanRun, type Scope, type Service } from "../api.ts";
import { clockTime, type Key, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { setParams, useLocation } from "../route.ts";
import { Ask, Failed, Lead, LevelMark, StateMark } from "../ui.tsx";
import { day } from "./actions.tsx";
import { Discoveries } from "./discoveries.tsx";

const views = ["assets", "changes", "discoveries", "scopes", "scans"] as const;
const week = () => new Date(Date.now() - 7 * 86_400_000).toISOString().slice(0, 13) + ":00:00Z";

export function SurfacePage({ orgs }: { orgs: Org[] }) {
  const { t, pick } = useT();
  const { params } = useLocation();
  const view = params.get("view") ?? "assets";
  const org = params.get("org") ?? "";
  const since = week();
  const fresh = useQuery({ queryKey: ["surface", "changes", org, since], queryFn: () => get<List<Difference>>("/surface/changes" + query({ org, since, limit: 500 })) });
  const weak = useQuery({ queryKey: ["actions", "surface", org], queryFn: () => get<Page<Action>>("/actions" + query({ state: "open,claimed", source: "surface", org, sort: "priority", limit: 100 })) });
  const changes = fresh.data?.items ?? [];
  const kinds = (k: string) => changes.filter((c) => c.kind === k).length;
  const many = (n: number, more?: string) => (more ? `${n}+` : String(n));
  return (
    <>
      <Lead urgent={kinds("new") + kinds("returned") > 0} help="helpSurface">{changes.length > 0 ? `${many(changes.length, fresh.data?.next)} ${t("changesSinceWeek")}` : t("noChanges")}</Lead>
      <section className="figures">
        <div><h2>{t("newPorts")}</h2><p className={"figure" + (kinds("new") + kinds("returned") ? " amber" : "")}><a href="/surface?view=changes">{kinds("new") + kinds("returned")}</a></p></div>
        <div><h2>{t("changedPorts")}</h2><p className="figure"><a href="/surface?view=changes">{kinds("changed")}</a></p></div>
        <div><h2>{t("gonePorts")}</h2><p className="figure"><a href="/surface?view=changes">{kinds("gone")}</a></p></div>
        <div><h2>{t("weaknesses")}</h2><p className="figure"><a href={"/actions" + query({ source: "surface", org })}>{many(weak.data?.items.length ?? 0, weak.data?.next)}</a></p></div>
      </section>
      <nav className="tabs" aria-label={t("surface")}>
        {views.map((v) => <button key={v} aria-pressed={view === v} onClick={() => setParams({ view: v === "assets" ? undefined : v, id: undefined, cursor: undefined, state: undefined })}>{t(("view_" + v) as Key)}</button>)}
        {orgs.length > 1 && <select aria-label={t("org")} value={org} onChange={(e) => setParams({ org: e.target.value, cursor: undefined })}><option value="">{t("org")}</option>{orgs.map((o) => <option key={o.id} value={o.id}>{pick(o.name, o.name_ja)}</option>)}</select>}
        <a className="muted" href={"/api/v1/surface/services.csv" + query({ org })} target="_blank" rel="noreferrer" download>{t("exportCsv")}</a>
        <a className="muted" href="/about-scans" target="_blank" rel="noreferrer">{t("publicPage")}</a>
      </nav>
      {fresh.error ? <Failed error={fresh.error} /> : null}
      {view === "changes" ? <Changes list={changes} orgs={orgs} /> : view === "discoveries" ? <Discoveries orgs={orgs} org={org} /> : view === "scopes" ? <Scopes orgs={orgs} org={org} /> : view === "scans" ? <Scans orgs={orgs} org={org} /> : <Assets orgs={orgs} org={org} />}
    </>
  );
}

export function useOrg(orgs: Org[]) {
  const { pick } = useT();
  return (id: string) => { const o = orgs.find((x) => x.id === id); return o ? pick(o.name, o.name_ja) : "—"; };
}

const says = (s: Service) => [s.seen.product || s.seen.service || "?", s.seen.package_version || s.seen.version].filter(Boolean).join(" ");

function Assets({ orgs, org }: { orgs: Org[]; org: string }) {
  const { t, lang } = useT();
  const { params } = useLocation();
  const name = useOrg(orgs);
  const q = { org, q: params.get("q") ?? "", cursor: params.get("cursor") ?? "" };
  const list = useQuery({ queryKey: ["surface", "assets", q], queryFn: () => get<List<Asset>>("/assets" + query({ ...q, limit: 100 })) });
  const items = list.data?.items ?? [];
  const at = params.get("id") ?? undefined;
  useKeys({ ...useCursor(items, at, (id) => setParams({ id })), Escape: () => setParams({ id: undefined }) });
  return (
    <div className="split">
      <section className="main scroll">
        {list.error ? <Failed error={list.error} /> : null}
        {list.data && items.length === 0 && <p className="empty">{t("emptyAssets")}</p>}
        {items.length > 0 && <table className="dense">
          <thead><tr><th>{t("address")}</th><th>{t("org")}</th><th>{t("openPorts")}</th><th>{t("firstSeen")}</th><th>{t("lastLooked")}</th></tr></thead>
          <tbody>{items.map((h) => (
            <tr key={h.id} id={h.id} className={h.id === at ? "on" : ""} aria-selected={h.id === at} onClick={() => setParams({ id: h.id })}>
              <td><a className="mono" href={"/surface?id=" + h.id} onClick={(e) => e.preventDefault()}>{h.address}</a></td><td>{name(h.org)}</td>
              <td>{h.services.filter((s) => s.state === "open").map((s) => `${s.place} ${says(s)}`).join(" · ") || "—"}</td><td className="num">{day(h.first_seen, lang)}</td><td className="num">{clockTime(h.last_looked, lang)}</td>
            </tr>
          ))}</tbody>
        </table>}
        {list.data?.next && <button onClick={() => setParams({ cursor: list.data.next }, false)}>→</button>}
      </section>
      <aside className="peek" aria-label={t("asset")}>{at ? <AssetPeek id={at} name={name} /> : <p className="empty">{t("pickOne")}</p>}</aside>
    </div>
  );
}

// AssetPeek is the page of one host: what answers, what is weak, what changed.
function AssetPeek({ id, name }: { id: string; name: (org: string) => string }) {
  const { t, lang, pick, word } = useT();
  const one = useQuery({ queryKey: ["surface", "asset", id], queryFn: () => get<Asset>("/assets/" + id) });
  const h = one.data;
  const weak = useQuery({ queryKey: ["actions", "of", h?.address], queryFn: () => get<Page<Action>>("/actions" + query({ state: "open,claimed,excepted", q: h!.address, sort: "priority", limit: 50 })), enabled: !!h });
  if (!h) return one.error ? <Failed error={one.error} /> : null;
  return (
    <article>
      <h2 className="mono">{h.address}</h2>
      <p className="muted">{name(h.org)} · {t("firstSeen")} {day(h.first_seen, lang)} · {t("lastLooked")} {clockTime(h.last_looked, lang)}</p>
      <h3>{t("weaknesses")}</h3>
      <ul className="near">{(weak.data?.items ?? []).filter((a) => a.weakness.asset.key === h.address).map((a) => <li key={a.id}><LevelMark level={a.weakness.level} /> <a href={"/actions?state=all&id=" + a.id}>{pick(a.weakness.title, a.weakness.title_ja)}</a> <small className="mono muted">{a.weakness.place}</small></li>)}</ul>
      <h3>{t("openPorts")}</h3>
      {h.services.map((s) => (
        <details key={s.place} open={s.state === "open"}>
          <summary><b className="mono">{s.place}</b> {says(s)} {s.state !== "open" && <span className="muted">{word(s.state)}</span>}</summary>
          <dl className="fields">
            {([["service", s.seen.service], ["version", s.seen.version], ["package", s.seen.package_version], ["os", s.seen.os], ["title", s.seen.http?.title], ["tls", s.seen.tls?.versions.join(" ")], ["certificate", s.seen.tls?.subject], [t("expires"), s.seen.tls?.not_after && day(s.seen.tls.not_after, lang)], [t("postQuantum"), s.seen.tls || s.seen.ssh ? t((s.seen.tls ?? s.seen.ssh)!.post_quantum ? "ready" : "notReady") : undefined], [t("lastSeen"), clockTime(s.last_seen, lang)]] as [string, string | undefined][]).filter(([, v]) => v).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}
            {Object.entries(s.seen.evidence ?? {}).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}
          </dl>
        </details>
      ))}
      <h3>{t("view_changes")}</h3>
      <ul className="near">{(h.changes ?? []).map((c) => <li key={c.id}><time className="num">{clockTime(c.at, lang)}</time> <b>{t(("change_" + c.kind) as Key)}</b> <span className="mono">{c.place} {c.before && `${c.before} → `}{c.after}</span></li>)}</ul>
    </article>
  );
}

const marks: Record<string, string> = { new: "▲", returned: "▲", changed: "◆", gone: "▽" };

function Changes({ list, orgs }: { list: Difference[]; orgs: Org[] }) {
  const { t, lang } = useT();
  const name = useOrg(orgs);
  return (
    <section className="main">
      {list.length === 0 && <p className="empty">{t("noChanges")}</p>}
      {list.length > 0 && <table className="dense">
        <thead><tr><th>{t("at")}</th><th>{t("kind")}</th><th>{t("address")}</th><th>{t("org")}</th><th>{t("what")}</th></tr></thead>
        <tbody>{list.map((c) => <tr key={c.id}><td className="num">{clockTime(c.at, lang)}</td><td className={c.kind === "new" || c.kind === "returned" ? "amber" : c.kind === "gone" ? "muted" : ""}>{marks[c.kind]} {t(("change_" + c.kind) as Key)}</td><td><a className="mono" href={"/surface?id=" + c.asset}>{c.address} {c.place}</a></td><td>{name(c.org)}</td><td>{c.before && `${c.before} → `}{c.after}</td></tr>)}</tbody>
      </table>}
    </section>
  );
}

function Scopes({ orgs, org }: { orgs: Org[]; org: string }) {
  const { t, lang } = useT();
  const { params } = useLocation();
  const cache = useQueryClient();
  const name = useOrg(orgs);
  const list = useQuery({ queryKey: ["surface", "scopes", org], queryFn: () => get<List<Scope>>("/scopes" + query({ org, limit: 100 })) });
  const items = list.data?.items ?? [];
  const at = params.get("id") ?? undefined;
  const one = useQuery({ queryKey: ["surface", "scope", at], queryFn: () => get<{ scope: Scope; history: { at: string; actor: string; action: string }[] }>("/scopes/" + at), enabled: !!at });
  const [ending, setEnding] = useState(false);
  const done = () => { setEnding(false); void cache.invalidateQueries({ queryKey: ["surface"] }); };
  const turn = useMutation({ mutationFn: ({ verb, body }: { verb: string; body: object }) => post(`/scopes/${at}/${verb}`, body), onSettled: done });
  const propose = useMutation({ mutationFn: (body: { org: string; text: string }) => post<Scope>("/scopes", body), onSuccess: (s) => { done(); setParams({ id: s.id }); } });
  const c = one.data?.scope;
  return (
    <div className="split">
      <section className="main scroll">
        {list.error || turn.error || propose.error ? <Failed error={list.error ?? turn.error ?? propose.error} /> : null}
        {items.length > 0 && <table className="dense">
          <thead><tr><th>{t("state")}</th><th>{t("org")}</th><th>{t("ranges")}</th><th>{t("legalBasis")}</th><th>{t("until")}</th></tr></thead>
          <tbody>{items.map((x) => <tr key={x.id} id={x.id} className={x.id === at ? "on" : ""} aria-selected={x.id === at} onClick={() => setParams({ id: x.id })}><td><StateMark state={x.state} /></td><td><a href={"/surface?view=scopes&id=" + x.id} onClick={(e) => e.preventDefault()}>{name(x.org)}</a></td><td className="mono">{x.terms.ranges.join(" ")}</td><td>{x.terms.legal_basis}</td><td className="num">{day(x.terms.valid_until, lang)}</td></tr>)}</tbody>
        </table>}
        <h2>{t("proposeScope")}</h2>
        <p className="muted">{t("proposeHint")}</p>
        <form className="make" onSubmit={(e) => { e.preventDefault(); const d = new FormData(e.currentTarget); propose.mutate({ org: String(d.get("org")), text: String(d.get("text")) }); }}>
          <label className="wide">{t("org")}<select name="org">{orgs.map((o) => <option key={o.id} value={o.id}>{name(o.id)}</option>)}</select></label>
          <label className="wide">YAML<textarea name="text" rows={14} required spellCheck={false} className="mono" defaultValue={template} /></label>
          <p><button type="submit" disabled={propose.isPending}>{t("propose")}</button></p>
        </form>
      </section>
      <aside className="peek" aria-label={t("view_scopes")}>
        {c ? (
          <article>
            <h2>{c.terms.owner}</h2>
            <p><StateMark state={c.state} /> <span className="muted">{name(c.org)} · {c.terms.contact} · {c.terms.legal_basis} · {c.terms.targets.toLocaleString()} {t("targets")}</span></p>
            {ending ? <Ask label={t("withdraw")} submit={(reason) => turn.mutate({ verb: "withdraw", body: { version: c.version, reason } })} cancel={() => setEnding(false)} /> : (
              <p className="actions">
                {c.state === "proposed" && <button onClick={() => turn.mutate({ verb: "approve", body: { version: c.version } })}>{t("approveScope")}</button>}
                {(c.state === "proposed" || c.state === "in_force") && <button onClick={() => setEnding(true)}>{t("withdraw")}</button>}
              </p>
            )}
            {c.state === "proposed" && <p className="amber">◇ {t("otherPerson")}</p>}
            <dl className="fields">
              <div><dt>{t("ranges")}</dt><dd>{c.terms.ranges.join(" ")}</dd></div>
              {c.terms.excluded && <div><dt>{t("excluded")}</dt><dd>{c.terms.excluded.join(" ")}</dd></div>}
              <div><dt>{t("openPorts")}</dt><dd>{c.terms.places.join(" ")}</dd></div>
              <div><dt>{t("until")}</dt><dd>{day(c.terms.valid_until, lang)}</dd></div>
              <div><dt>{t("proof")}</dt><dd>{c.terms.proof}</dd></div>
            </dl>
            {c.text && <pre className="command" tabIndex={0}>{c.text}</pre>}
            <h3>{t("history")}</h3>
            <ul className="near">{(one.data?.history ?? []).map((h, i) => <li key={i}><time className="num">{clockTime(h.at, lang)}</time> {h.action} <span className="muted">{h.actor}</span></li>)}</ul>
          </article>
        ) : <p className="empty">{t("pickOne")}</p>}
      </aside>
    </div>
  );
}

const template = `owner:
contact:
legal_basis:
proof:
  kind: letter
  reference:
  recorded_by: [, ]
ranges: []
ports: [22, 25, 80, 443, 3389, 8080, 8443]
rate: 200
valid_until: ${new Date(Date.now() + 180 * 86_400_000).toISOString().slice(0, 10)}T00:00:00Z
`;

function Scans({ orgs, org }: { orgs: Org[]; org: string }) {
  const { t, lang, word } = useT();
  const name = useOrg(orgs);
  const list = useQuery({ queryKey: ["surface", "runs", org], queryFn: () => get<List<ScanRun>>("/surface/runs" + query({ org, limit: 100 })), refetchInterval: 10_000 });
  const items = list.data?.items ?? [];
  return (
    <section className="main">
      {list.error ? <Failed error={list.error} /> : null}
      {list.data && items.length === 0 && <p className="empty">{t("emptyScans")}</p>}
      {items.length > 0 && <table className="dense">
        <thead><tr><th>{t("began")}</th><th>{t("state")}</th><th>{t("org")}</th><th>{t("scanner")}</th><th className="num">{t("openPorts")}</th><th className="num">{t("view_changes")}</th><th className="num">{t("weaknesses")}</th><th>{t("kind")}</th></tr></thead>
        <tbody>{items.map((r) => <tr key={r.id}><td className="num">{clockTime(r.began, lang)}</td><td>{word(r.state)}{r.why && r.why !== "done" && <span className="muted"> {word(r.why)}</span>}</td><td>{name(r.org)}</td><td>{r.by}</td><td className="num">{r.open}</td><td className="num">{r.changes}</td><td className="num">{r.weaknesses}</td><td>{r.only ? t("recheck") : t("wholeScan")}</td></tr>)}</tbody>
      </table>}
    </section>
  );
}

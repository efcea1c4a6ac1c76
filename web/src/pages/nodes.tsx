// ノード Nodes: what each sees, what it cannot see, how far behind it is.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get, type NodeInfo, type Org, post } from "../api.ts";
import { clockTime, duration, longDate, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { setParams, useLocation } from "../route.ts";
import { Ask, Failed, Lead, StateMark } from "../ui.tsx";

type Refused = { at: string; node: string; place: string; reason: string; sample: string };

export function NodesPage({ orgs }: { orgs: Org[] }) {
  const { t, lang, pick, word } = useT();
  const { params } = useLocation();
  const cache = useQueryClient();
  const q = useQuery({ queryKey: ["nodes"], queryFn: () => get<{ items: NodeInfo[] }>("/nodes"), refetchInterval: 5_000 });
  const bad = useQuery({ queryKey: ["quarantine"], queryFn: () => get<{ total: number; items: Refused[] }>("/quarantine"), refetchInterval: 15_000, retry: false });
  const items = q.data?.items ?? [];
  const at = params.get("id") ?? undefined;
  const one = items.find((n) => n.id === at);
  const [cutting, setCutting] = useState(false);
  const cut = useMutation({ mutationFn: (reason: string) => post(`/nodes/${at}/cut`, { reason }), onSettled: () => { setCutting(false); void cache.invalidateQueries(); } });
  const enrol = useMutation({ mutationFn: (b: { org: string; role: string }) => post<{ command: string; expires: string }>("/enrol", b) });
  useKeys({ ...useCursor(items, at, (id) => { setCutting(false); setParams({ id }); }), Escape: () => (cutting ? setCutting(false) : setParams({ id: undefined })) });
  const org = (id: string) => { const o = orgs.find((x) => x.id === id); return o ? pick(o.name, o.name_ja) : "—"; };
  const away = items.filter((n) => n.state === "away").length;
  return (
    <>
      <Lead urgent={away > 0} help="helpNodes">{away > 0 ? `${away} ${t("nodesNeed")}` : t("nodesCalm")}</Lead>
      {(q.error || cut.error || enrol.error) ? <Failed error={q.error ?? cut.error ?? enrol.error} /> : null}
      <div className="split">
        <section className="main scroll">
          <table className="dense">
            <thead><tr><th>{t("state")}</th><th>{t("org")}</th><th>{t("name")}</th><th>{t("role")}</th><th>{t("tier")}</th><th className="num">{t("perSecond")}</th><th className="num">{t("lag")}</th><th className="num">{t("drops")}</th><th>{t("lastSeen")}</th></tr></thead>
            <tbody>
              {items.map((n) => (
                <tr key={n.id} id={n.id} className={n.id === at ? "on" : ""} aria-selected={n.id === at} onClick={() => setParams({ id: n.id })}>
                  <td><StateMark state={n.state} /></td><td>{org(n.org)}</td><td><a href={"/nodes?id=" + n.id} onClick={(e) => e.preventDefault()}>{n.name}</a></td><td>{word(n.role)}</td><td>{n.tier || "—"}</td>
                  <td className="num">{n.events_per_second.toFixed(1)}</td><td className="num">{n.lag_ms ? duration(n.lag_ms, lang).join(" ") : "0"}</td><td className={"num" + (n.dropped ? " failing" : "")}>{n.dropped}</td><td className="num">{clockTime(n.last_seen, lang)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <h2>{t("enrol")}</h2>
          <form className="enrol" onSubmit={(e) => { e.preventDefault(); const d = new FormData(e.currentTarget); enrol.mutate({ org: String(d.get("org")), role: String(d.get("role")) }); }}>
            <label>{t("org")}<select name="org">{orgs.map((o) => <option key={o.id} value={o.id}>{pick(o.name, o.name_ja)}</option>)}</select></label>
            <label>{t("role")}<select name="role"><option value="sensor">{t("sensor")}</option><option value="resolver">{t("resolver")}</option></select></label>
            <button type="submit">{t("make")}</button>
          </form>
          {enrol.data && <p>{t("enrolDone")} <span className="muted">{t("expires")} {clockTime(enrol.data.expires, lang)}</span><code className="command" tabIndex={0}>{enrol.data.command}</code></p>}
          <h2>{t("quarantine")} <small className="num muted">{bad.data?.total ?? 0}</small></h2>
          {bad.data?.items.length === 0 && <p className="muted">{t("quarantineNone")}</p>}
          <ul className="near">{(bad.data?.items ?? []).slice(0, 50).map((x, i) => <li key={i}><time className="num">{clockTime(x.at, lang)}</time> <b>{x.place}</b> {x.reason} <span className="mono muted">{x.sample.slice(0, 120)}</span></li>)}</ul>
        </section>
        <aside className="peek" aria-label={t("nodes")}>
          {one ? (
            <article>
              <h2>{one.name}</h2>
              <p><StateMark state={one.state} /> <span className="muted">{org(one.org)} · {word(one.role)} · {t("version")} {one.version || "—"} {one.addr}</span></p>
              {one.cut_why && <p className="muted">{one.cut_why}</p>}
              <h3>{t("cannotSee")}</h3>
              {one.certificate_overdue && <p className="failing">{t("certificateOverdue")}</p>}
              <ul className="matched">{one.limits.map((l) => <li key={l}>{l}</li>)}</ul>
              <dl className="fields">
                {([["events", one.events], [t("drops"), one.dropped], [t("spooled"), `${one.spooled} B`], [t("quarantine"), one.quarantined], ["queries", one.queries], [t("blockedCount"), one.blocked], ["clock skew", `${one.clock_skew_ms} ms`], [t("certificateEnds"), longDate(new Date(one.not_after), lang)], ["id", one.id]] as [string, string | number][]).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}
              </dl>
              {one.state !== "cut" && (cutting ? <Ask label={t("cutOff")} submit={(r) => cut.mutate(r)} cancel={() => setCutting(false)} /> : <p className="actions"><button onClick={() => setCutting(true)}>{t("cutOff")}</button></p>)}
            </article>
          ) : <p className="empty">{t("pickOne")}</p>}
        </aside>
      </div>
    </>
  );
}

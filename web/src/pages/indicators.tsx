// 指標 Indicators: the life of each, where it is enforced, who saw it, its clock.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { get, type Hop, type Indicator, type IndicatorDetail, type Org, type Page, post, query } from "../api.ts";
import { clockTime, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { setParams, useLocation } from "../route.ts";
import { Ask, defang, Failed, Hops, Lead, Realm, StateMark, Value } from "../ui.tsx";
import { hopNames } from "./beacon.tsx";

const states = ["active", "held", "revoked", "expired", "refused"];
type Turn = "revoke" | "release" | "refuse";

export function IndicatorsPage({ orgs }: { orgs: Org[] }) {
  const { t, lang, pick, word } = useT();
  const { params } = useLocation();
  const cache = useQueryClient();
  const filter = { state: params.get("state") ?? "", q: params.get("q") ?? "", realm: params.get("realm") ?? "", cursor: params.get("cursor") ?? "" };
  const list = useQuery({ queryKey: ["indicators", filter], queryFn: () => get<Page<Indicator>>("/indicators" + query({ ...filter, limit: 100 })) });
  const items = list.data?.items ?? [];
  const at = params.get("id") ?? undefined;
  const one = useQuery({ queryKey: ["indicator", at], queryFn: () => get<IndicatorDetail>("/indicators/" + at), enabled: !!at });
  const [asking, setAsking] = useState<Turn | "">("");
  const [note, setNote] = useState("");
  const search = useRef<HTMLInputElement>(null);
  const turn = useMutation({
    mutationFn: ({ verb, reason }: { verb: Turn; reason: string }) => post(`/indicators/${at}/${verb}`, { reason, version: one.data?.indicator.version ?? 0 }),
    onSettled: () => { setAsking(""); void cache.invalidateQueries(); },
  });
  const copy = (text: string) => { void navigator.clipboard?.writeText(text); setNote(`${t("copied")}: ${text}`); };
  const ind = one.data?.indicator;
  useKeys({
    ...useCursor(items, at, (id) => { setAsking(""); setParams({ id }); }),
    r: () => ind?.state === "active" && setAsking("revoke"), "/": () => search.current?.focus(),
    y: (e) => ind && copy(e.shiftKey ? ind.observable.value : defang(ind.observable)), Y: () => ind && copy(ind.observable.value),
    " ": () => setParams({ id: at ? undefined : items[0]?.id }), Escape: () => (asking ? setAsking("") : setParams({ id: undefined })),
  });
  const held = list.data?.counts.held ?? 0;
  const org = (id: string) => { const o = orgs.find((x) => x.id === id); return o ? pick(o.name, o.name_ja) : "—"; };
  return (
    <>
      <Lead urgent={held > 0} help="helpIndicators">{held > 0 ? <a href="/indicators?state=held">{held} {t("needsYou")}</a> : t("allCalm")}</Lead>
      <nav className="tabs" aria-label={t("filter")}>
        <button aria-pressed={!filter.state} onClick={() => setParams({ state: undefined, cursor: undefined })}>{t("all")}</button>
        {states.map((s) => <button key={s} aria-pressed={filter.state === s} onClick={() => setParams({ state: s, cursor: undefined, id: undefined })}>{word(s)} <small className="num">{list.data?.counts[s] ?? ""}</small></button>)}
        <select aria-label={`${t("real")} / ${t("exercise")}`} value={filter.realm} onChange={(e) => setParams({ realm: e.target.value, cursor: undefined })}>
          <option value="">{t("real")} + {t("exercise")}</option><option value="real">{t("real")}</option><option value="exercise">{t("exercise")}</option>
        </select>
        <input ref={search} type="search" placeholder={`${t("filter")} (/)`} aria-label={t("filter")} defaultValue={filter.q} onKeyDown={(e) => { if (e.key === "Enter" && !e.nativeEvent.isComposing) setParams({ q: e.currentTarget.value, cursor: undefined }); if (e.key === "Escape") e.currentTarget.blur(); }} />
        <span role="status" className="muted">{note}</span>
      </nav>
      {(list.error || turn.error) ? <Failed error={list.error ?? turn.error} /> : null}
      <div className="split">
        <section className="main scroll">
          {list.data && items.length === 0 && <p className="empty">{t("emptyIndicators")}</p>}
          <table className="dense">
            <thead><tr><th>{t("state")}</th><th>{t("data")}</th><th>{t("action")}</th><th>TLP / PAP</th><th className="num">{t("confidence")}</th><th className="num">{t("sightings")}</th><th>{t("validUntil")}</th></tr></thead>
            <tbody>
              {items.map((i) => (
                <tr key={i.id} id={i.id} className={i.id === at ? "on" : ""} aria-selected={i.id === at} onClick={() => setParams({ id: i.id })}>
                  <td><StateMark state={i.state} /></td>
                  <td><a href={`/indicators${query({ ...filter, id: i.id })}`} onClick={(e) => e.preventDefault()}><Realm realm={i.realm} /><Value ind={i} /></a> <small className="muted">{pick(i.reason, i.reason_ja)}</small></td>
                  <td>{i.action === "observe" ? t("observeOnly") : word(i.action)}</td><td className="muted">{i.tlp.slice(4)} / {i.pap.slice(4)}</td><td className="num">{i.confidence}</td><td className="num">{i.sightings}</td><td className="num">{clockTime(i.valid_until, lang)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {list.data?.next && <button onClick={() => setParams({ cursor: list.data.next }, false)}>→</button>}
        </section>
        <aside className="peek" aria-label={t("indicators")}>
          {asking && <Ask label={t(asking)} submit={(reason) => turn.mutate({ verb: asking, reason })} cancel={() => setAsking("")} />}
          {one.data ? <Detail d={one.data} org={org} ask={setAsking} /> : <p className="empty">{t("pickOne")}</p>}
        </aside>
      </div>
    </>
  );
}

function Detail({ d, org, ask }: { d: IndicatorDetail; org: (id: string) => string; ask: (t: Turn) => void }) {
  const { t, lang, pick } = useT();
  const i = d.indicator;
  const times = Object.values(i.clock);
  const zero = Date.parse(i.clock.t0_sensed);
  const hops: Hop[] = hopNames.map((name, n) => ({ name, at: times[n], ms: times[n].startsWith("0001") ? null : micro(times[n]) - micro(i.clock.t0_sensed) }));
  return (
    <article>
      <h2><Value ind={i} /></h2>
      <p><Realm realm={i.realm} /><StateMark state={i.state} /> <span className="muted">{org(i.org)} · {i.tlp} · {i.pap} · {i.policy ? `${t("policy")} ${i.policy}` : i.by}</span></p>
      <p>{pick(i.reason, i.reason_ja)}</p>
      {i.revoked_why && <p className="muted">{t("revoked")}: {i.revoked_why}</p>}
      <p className="actions">
        {i.state === "active" && <button onClick={() => ask("revoke")}>{t("revoke")}</button>}
        {i.state === "held" && <><button onClick={() => ask("release")}>{t("release")}</button><button onClick={() => ask("refuse")}>{t("refuse")}</button></>}
        {i.finding && <a href={"/findings?state=all&id=" + i.finding}>{t("evidence")}</a>}
      </p>
      <h3>{t("clock")}</h3>
      {Number.isNaN(zero) ? null : <Hops hops={hops} />}
      <h3>{t("gate")}: {i.verdict === "pass" ? t("pass") : i.verdict === "hold" ? t("held") : t("refused")}</h3>
      <ul className="matched">{(i.gate_reasons ?? []).length === 0 ? <li className="muted">{t("noReasons")}</li> : i.gate_reasons?.map((r) => <li key={r.text}>{pick(r.text, r.text_ja)}</li>)}</ul>
      <h3>{t("deliveries")} <small className="muted num">{d.deliveries.filter((x) => x.state === "confirmed").length} / {d.deliveries.length}</small></h3>
      <table className="dense"><tbody>{d.deliveries.map((x) => <tr key={x.node + x.feed}><td><StateMark state={x.state} /></td><td>{org(x.org)}</td><td className="muted">{x.name}</td><td className="num">{x.enforced.startsWith("0001") ? "—" : `+${Math.round(micro(x.enforced) - micro(i.clock.t0_sensed))} ms`}</td></tr>)}</tbody></table>
      <h3>{t("sightings")} <small className="muted num">{d.sightings.length}</small></h3>
      <ul className="near">{d.sightings.map((f) => <li key={f.id}><time className="num">{clockTime(f.last_seen, lang)}</time> <a href={"/findings?state=all&id=" + f.id}>{org(f.org)} · {f.device} ×{f.count}</a></li>)}</ul>
      <h3>{t("history")}</h3>
      <ul className="near">{d.history.map((h, i) => <li key={i}><time className="num">{clockTime(h.at, lang)}</time> {h.action} <span className="muted">{h.actor}</span></li>)}</ul>
    </article>
  );
}

// micro reads a time to the microsecond, which Date.parse drops.
function micro(at: string): number {
  const frac = /\.(\d+)/.exec(at)?.[1] ?? "";
  return Math.floor(Date.parse(at) / 1000) * 1000 + Number("0." + (frac || "0")) * 1000;
}

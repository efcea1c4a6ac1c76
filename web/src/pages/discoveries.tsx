// What walks found that may be an organisation's, for people to confirm or reject.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Discovery, type DiscoveryDetail, get, type Org, type Page, post, query } from "../api.ts";
import { clockTime, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { setParams, useLocation } from "../route.ts";
import { Ask, Failed, StateMark } from "../ui.tsx";
import { day } from "./actions.tsx";
import { useOrg } from "./surface.tsx";

const states = ["candidate", "certain", "confirmed", "rejected"] as const;

export function Discoveries({ orgs, org }: { orgs: Org[]; org: string }) {
  const { t, lang, pick, word } = useT();
  const { params } = useLocation();
  const cache = useQueryClient();
  const name = useOrg(orgs);
  const state = params.get("state") ?? "candidate";
  const list = useQuery({ queryKey: ["discoveries", state, org, params.get("cursor")], queryFn: () => get<Page<Discovery>>("/discoveries" + query({ state, org, cursor: params.get("cursor") ?? "", limit: 100 })) });
  const items = list.data?.items ?? [];
  const at = params.get("id") ?? undefined;
  const one = useQuery({ queryKey: ["discoveries", "one", at], queryFn: () => get<DiscoveryDetail>("/discoveries/" + at), enabled: !!at });
  const [asking, setAsking] = useState<"confirm" | "reject">();
  const cursor = useCursor(items, at, (id) => { setAsking(undefined); setParams({ id }); });
  const judge = useMutation({
    mutationFn: (reason: string) => post(`/discoveries/${at}/${asking}`, { reason, version: one.data!.discovery.version }),
    onSuccess: () => { setAsking(undefined); cursor.j(); }, onSettled: () => void cache.invalidateQueries({ queryKey: ["discoveries"] }),
  });
  const walk = useMutation({ mutationFn: () => post("/discoveries/runs", { org: org || orgs[0]?.id }), onSettled: () => void cache.invalidateQueries({ queryKey: ["discoveries"] }) });
  useKeys({ ...cursor, e: () => at && setAsking("confirm"), d: () => at && setAsking("reject"), Escape: () => (asking ? setAsking(undefined) : setParams({ id: undefined })) });
  const d = one.data?.discovery;
  return (
    <>
      <nav className="tabs" aria-label={t("filter")}>
        {states.map((s) => <button key={s} aria-pressed={state === s} onClick={() => setParams({ state: s === "candidate" ? undefined : s, cursor: undefined, id: undefined })}>{word(s)} <small className="num">{list.data?.counts[s] ?? ""}</small></button>)}
        <button className="quiet" disabled={walk.isPending} onClick={() => walk.mutate()}>{t("walkNow")}</button>
      </nav>
      <div className="split">
        <section className="main scroll">
          {list.error || walk.error ? <Failed error={list.error ?? walk.error} /> : null}
          {list.data && items.length === 0 && <p className="empty">{t("emptyDiscoveries")}</p>}
          {items.length > 0 && <table className="dense">
            <thead><tr><th className="num">{t("confidence")}</th><th>{t("asset")}</th><th>{t("org")}</th><th>{t("owner")}</th><th>{t("firstSeen")}</th><th>{t("lastSeen")}</th></tr></thead>
            <tbody>{items.map((x) => (
              <tr key={x.id} id={x.id} className={x.id === at ? "on" : ""} aria-selected={x.id === at} onClick={() => setParams({ id: x.id })}>
                <td className="num">{x.confidence}</td><td><a className="mono" href={"/surface?view=discoveries&id=" + x.id} onClick={(e) => e.preventDefault()}>{x.asset.value}</a> {x.third_party && <small className="muted">{t("thirdParty")}</small>}{x.returned && <small className="amber"> ◆ {t("returnedEvidence")}</small>}</td>
                <td>{name(x.org)}</td><td>{x.owner === "unknown" ? <span className="amber">◇ {t("ownerUnknown")}</span> : name(x.owner)}</td><td className="num">{day(x.first_seen, lang)}</td><td className="num">{clockTime(x.last_seen, lang)}</td>
              </tr>
            ))}</tbody>
          </table>}
          {list.data?.next && <button onClick={() => setParams({ cursor: list.data.next }, false)}>→</button>}
        </section>
        <aside className="peek" aria-label={t("evidence")}>
          {asking && <Ask label={t(asking === "confirm" ? "confirmAsset" : "rejectAsset")} submit={(r) => judge.mutate(r)} cancel={() => setAsking(undefined)} />}
          {judge.error ? <Failed error={judge.error} /> : null}
          {d ? (
            <article>
              <h2 className="mono">{d.asset.value}</h2>
              <p><StateMark state={d.state} /> <span className="muted">{name(d.org)} · {t("confidence")} {d.confidence}</span></p>
              <p className="actions"><button onClick={() => setAsking("confirm")}>{t("confirmAsset")}</button><button onClick={() => setAsking("reject")}>{t("rejectAsset")}</button></p>
              {d.judgement && <p className="muted">{word(d.judgement.state)}: {d.judgement.reason} ({d.judgement.by})</p>}
              <h3>{t("evidence")}</h3>
              <ul className="near">{(d.evidence ?? []).map((g, i) => <li key={i} className={g.stale ? "muted" : ""}><b className="num">{g.factor ? `×${g.factor}` : `+${g.share}`}</b> {pick(g.text, g.text_ja)}{(g.facts ?? []).slice(0, 5).map((f, k) => <div key={k} className="mono muted">{f.asked} → {f.said} ({f.from})</div>)}</li>)}</ul>
              <h3>{t("history")}</h3>
              <ul className="near">{(one.data?.history ?? []).map((h, i) => <li key={i}><time className="num">{clockTime(h.at, lang)}</time> {word(h.action)} <span className="muted">{h.actor}</span></li>)}</ul>
            </article>
          ) : <p className="empty">{t("pickOne")}</p>}
        </aside>
      </div>
    </>
  );
}

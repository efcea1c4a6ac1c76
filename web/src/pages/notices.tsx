// 注意喚起 Notices: to owners of weak devices, through their provider.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get, type Notice, type NoticeDetail, type NoticeFigures, type Org, type Page, post, query } from "../api.ts";
import { clockTime, type Key, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { setParams, useLocation } from "../route.ts";
import { Ask, Failed, Lead, LevelMark, Realm, StateMark } from "../ui.tsx";
import { useOrg } from "./surface.tsx";

const states = ["made", "sent", "handed", "checked", "unreachable", "fixed"] as const;

export function NoticesPage({ orgs }: { orgs: Org[] }) {
  const { t, lang, pick, word } = useT();
  const { params } = useLocation();
  const cache = useQueryClient();
  const name = useOrg(orgs);
  const p = (k: string) => params.get(k) ?? "";
  const filter = { state: p("state") || "made", group: p("group"), org: p("org"), realm: p("realm"), q: p("q") };
  const asked = { ...filter, state: filter.state === "all" ? "" : filter.state };
  const list = useQuery({ queryKey: ["notices", asked, p("cursor")], queryFn: () => get<Page<Notice>>("/notices" + query({ ...asked, cursor: p("cursor"), limit: 100 })) });
  const figures = useQuery({ queryKey: ["notices", "figures"], queryFn: () => get<NoticeFigures>("/notices/figures") });
  const items = list.data?.items ?? [];
  const at = params.get("id") ?? undefined;
  const one = useQuery({ queryKey: ["notices", "one", at], queryFn: () => get<NoticeDetail>("/notices/" + at), enabled: !!at });
  const [asking, setAsking] = useState<"sent" | "handed" | "unreachable">();
  const again = () => { setAsking(undefined); void cache.invalidateQueries({ queryKey: ["notices"] }); };
  const move = useMutation({ mutationFn: (note: string) => post(`/notices/${at}/state`, { state: asking, note, version: one.data!.notice.version }), onSettled: again });
  const say = useMutation({ mutationFn: (b: object) => post(`/notices/${at}/feedback`, b), onSettled: again });
  const cursor = useCursor(items, at, (id) => { setAsking(undefined); setParams({ id }); });
  useKeys({ ...cursor, Escape: () => (asking ? setAsking(undefined) : setParams({ id: undefined })) });
  const waits = list.data?.counts.made ?? 0;
  const f = figures.data?.all;
  return (
    <>
      <Lead urgent={waits > 0} help="helpNotices">{waits > 0 ? `${waits} ${t("noticesWait")}` : t("noticesCalm")}</Lead>
      {f && (
        <section className="figures">
          {([["noticesFound", f.found], ["noticesSent", f.notified], ["noticesFixed", f.fixed], ["infectedMax", f.infected_per_day_max]] as [Key, number][]).map(([k, n]) => <div key={k}><h2>{t(k)} <small>{figures.data!.month}</small></h2><p className="figure">{n}{k === "noticesFixed" && f.notified > 0 && <small>{Math.round(f.fixed_of_notified * 100)} %</small>}</p></div>)}
        </section>
      )}
      <nav className="tabs" aria-label={t("filter")}>
        {[...states, "all"].map((s) => <button key={s} aria-pressed={filter.state === s} onClick={() => setParams({ state: s === "made" ? undefined : s, cursor: undefined, id: undefined })}>{s === "all" ? t("all") : t(("notice_" + s) as Key)} <small className="num">{s === "all" ? "" : (list.data?.counts[s] ?? "")}</small></button>)}
        <select aria-label={t("kind")} value={filter.group} onChange={(e) => setParams({ group: e.target.value, cursor: undefined })}><option value="">{t("kind")}</option>{["infected", "firmware", "exposed"].map((g) => <option key={g} value={g}>{word(g)}</option>)}</select>
        <a className="muted" href={"/api/v1/notices/export.csv" + query(asked)} target="_blank" rel="noreferrer" download>{t("exportCsv")}</a>
      </nav>
      {list.error || move.error || say.error ? <Failed error={list.error ?? move.error ?? say.error} /> : null}
      <div className="split">
        <section className="main scroll">
          {list.data && items.length === 0 && <p className="empty">{t("emptyNotices")}</p>}
          {items.length > 0 && <table className="dense">
            <thead><tr><th>{t("kind")}</th><th>{t("device")}</th><th>{t("address")}</th><th>{t("provider")}</th><th>{t("lastSeen")}</th><th>{t("state")}</th></tr></thead>
            <tbody>{items.map((n) => <tr key={n.id} id={n.id} className={n.id === at ? "on" : ""} aria-selected={n.id === at} onClick={() => setParams({ id: n.id })}><td className={n.group === "infected" ? "failing" : ""}>{n.group === "infected" ? "◆ " : ""}{word(n.group)}</td><td><a href={"/notices?state=all&id=" + n.id} onClick={(e) => e.preventDefault()}><Realm realm={n.realm} />{pick(n.device.name || n.device.type, n.device.name_ja)}</a> <small className="muted">{n.device.firmware}</small></td><td className="mono">{n.device.address}</td><td>{name(n.org)}</td><td className="num">{clockTime(n.last_seen, lang)}</td><td><StateMark state={n.state} /></td></tr>)}</tbody>
          </table>}
          {list.data?.next && <button onClick={() => setParams({ cursor: list.data.next }, false)}>→</button>}
        </section>
        <aside className="peek" aria-label={t("notices")}>
          {asking && <Ask label={t(("notice_" + asking) as Key)} submit={(note) => move.mutate(note)} cancel={() => setAsking(undefined)} />}
          {one.data ? <Letter d={one.data} ask={setAsking} say={(b) => say.mutate(b)} /> : one.error ? <Failed error={one.error} /> : <p className="empty">{t("pickOne")}</p>}
        </aside>
      </div>
    </>
  );
}

// Letter shows the notice as its owner will read it, in the reader's language.
function Letter({ d, ask, say }: { d: NoticeDetail; ask: (s: "sent" | "handed" | "unreachable") => void; say: (b: object) => void }) {
  const { t, lang, pick, word } = useT();
  const n = d.notice, side = lang === "ja" ? d.letter.ja : d.letter.en;
  return (
    <article>
      <h2><Realm realm={n.realm} />{side.subject}</h2>
      <p><StateMark state={n.state} /> <span className="muted mono">{n.device.address}</span> {n.proof && <span className="ok">✓ {n.proof}</span>}</p>
      {n.state !== "fixed" && <p className="actions">{(["sent", "handed", "unreachable"] as const).map((s) => <button key={s} onClick={() => ask(s)}>{t(("notice_" + s) as Key)}</button>)}</p>}
      <ul className="near">{n.weak.map((w) => <li key={w.place + w.name}><LevelMark level={w.level} /> {pick(w.title, w.title_ja)} <small className="mono muted">{w.place}</small></li>)}</ul>
      {side.parts.map((x) => <section key={x.heading}><h3>{x.heading}</h3>{x.steps ? <ol className="steps">{x.lines.map((l) => <li key={l}>{l}</li>)}</ol> : x.lines.map((l) => <p key={l}>{l}</p>)}</section>)}
      <h3>{t("feedback")}</h3>
      <ul className="near">{d.feedback.map((x, i) => <li key={i}><time className="num">{clockTime(x.at, lang)}</time> {word(x.who)}: <b>{word(x.verdict)}</b> {x.words}</li>)}</ul>
      <form className="make" onSubmit={(e) => { e.preventDefault(); const f = new FormData(e.currentTarget); say({ who: f.get("who"), verdict: f.get("verdict"), words: f.get("words") || undefined }); e.currentTarget.reset(); }}>
        <label>{t("whoSays")}<select name="who">{["isp", "maker", "owner"].map((x) => <option key={x} value={x}>{word(x)}</option>)}</select></label>
        <label>{t("verdict")}<select name="verdict">{["useful", "wrong_device", "wrong_owner", "already_fixed", "other"].map((x) => <option key={x} value={x}>{word(x)}</option>)}</select></label>
        <label className="wide">{t("words")}<input name="words" maxLength={300} /></label>
        <p><button type="submit">{t("decide")}</button></p>
      </form>
      <h3>{t("history")}</h3>
      <ul className="near">{d.history.map((h, i) => <li key={i}><time className="num">{clockTime(h.at, lang)}</time> {h.action} <span className="muted">{h.actor.replace(/^(person|hub):/, "")}</span></li>)}</ul>
    </article>
  );
}

// What owners have authorised to be scanned, by two people, and who asked not to be.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get, type List, type OptOut, type Org, post, query, type Scope } from "../api.ts";
import { clockTime, useT } from "../i18n.ts";
import { setParams, useLocation } from "../route.ts";
import { Ask, Failed, StateMark } from "../ui.tsx";
import { day } from "./actions.tsx";
import { useOrg } from "./surface.tsx";

export function Scopes({ orgs, org }: { orgs: Org[]; org: string }) {
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
        <OptOuts name={name} />
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
            {c.terms.survey === "iot" && <p>{t("surveyOfDevices")}</p>}
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
caps: {address: 5, network: 100, owner: 100000}
valid_until: ${new Date(Date.now() + 180 * 86_400_000).toISOString().slice(0, 10)}T00:00:00Z
`;

// OptOuts are the requests that came by the public page and wait for an answer.
function OptOuts({ name }: { name: (org: string) => string }) {
  const { t, lang } = useT();
  const cache = useQueryClient();
  const list = useQuery({ queryKey: ["surface", "opt-outs"], queryFn: () => get<List<OptOut>>("/opt-outs" + query({ limit: 100 })) });
  const [asking, setAsking] = useState<{ o: OptOut; verb: "grant" | "refuse" }>();
  const answer = useMutation({
    mutationFn: (reason: string) => post(`/opt-outs/${asking!.o.id}/${asking!.verb}`, { reason, version: asking!.o.version }),
    onSettled: () => { setAsking(undefined); void cache.invalidateQueries({ queryKey: ["surface"] }); },
  });
  const items = list.data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <>
      <h2>{t("optOuts")}</h2>
      {answer.error ? <Failed error={answer.error} /> : null}
      {asking && <Ask label={`${t(asking.verb === "grant" ? "grantOptOut" : "refuse")}: ${asking.o.prefix}`} submit={(r) => answer.mutate(r)} cancel={() => setAsking(undefined)} />}
      <table className="dense"><tbody>{items.map((o) => <tr key={o.id}><td><StateMark state={o.state} /></td><td className="mono">{o.prefix}</td><td>{name(o.org)}</td><td>{o.contact}</td><td>{o.reason}</td><td className="num">{clockTime(o.asked, lang)}</td><td>{o.state === "asked" && <><button onClick={() => setAsking({ o, verb: "grant" })}>{t("grantOptOut")}</button> <button onClick={() => setAsking({ o, verb: "refuse" })}>{t("refuse")}</button></>}</td></tr>)}</tbody></table>
    </>
  );
}

// The texts of deciding about what is matched: Japanese, English.
export const decisions = {
  decideHit: ["判断する (D)", "Decide (D)"], decideOne: ["判断する", "Decide"], decideTitle: ["この該当についての判断", "A decision about this hit"], whatIsDecided: ["判断", "Decision"],
  justification: ["影響なしの理由", "Why not affected"], chooseReason: ["理由を選ぶ", "choose why"], inWords: ["補足", "In words"], whatToDo: ["対処", "What is to be done"], whyWords: ["根拠や確認方法(後で見る人のために)", "what was looked at, for whoever reads it later"],
  whereHolds: ["適用範囲", "Where it holds"], where_system: ["このシステムだけ", "in this system"], where_organisation: ["組織内のすべてのシステム", "in all systems of the organisation"], where_below: ["配下の組織にも", "and in the organisations below"], decidesAs: ["判断する組織", "Who decides"],
  holdsFor: ["条件", "Condition"], holds_any: ["どの版でも(今後の版も)", "for any version, also later ones"], holds_version: ["部品の版が変わるまで", "until the component's version changes"], holds_range: ["版の範囲内で", "as long as the version is in a range"], versionRange: ["版の範囲 (vers)", "Range (vers)"],
  endsOn: ["終了日(任意)", "Ends on (may be left out)"], decided_by: ["判断者", "Decided by"], decisionsMade: ["判断の経過", "What was decided"], noDecisions: ["個別の判断はまだありません。", "Nobody decided one by one yet."], withdrawDecision: ["取り下げる", "Withdraw"], whyWithdrawn: ["取り下げの理由", "Why it is withdrawn"],
  replaced: ["後の判断に置換え", "replaced by a later one"], fromAbove: ["上位組織の判断:", "decided above, by"], pickHit: ["行を選ぶと、経路・判断・経過が表示されます。J/K 移動、D 判断。", "Choose a row for its path, decision and history. J/K move, D decide."],
  mail: ["メール", "Mail"], fact_recipients: ["宛先", "Recipients"], fact_failed: ["配信不能", "Not taken"],
} satisfies Record<string, [string, string]>;

// The texts of what is exposed, who is hit, and what is done about it: Japanese, English.
export const exposure = {
} satisfies Record<string, [string, string]>;

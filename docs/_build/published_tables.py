"""The paper's tables as pages show them: what was published, and the command that trains it again."""

from silif_plugins.paper import recipes


def section(name: str) -> str:
    """Return a table of the rows of a set of recipes."""
    place = recipes.SETS[name]
    lines = ["| row | published | command |", "|---|---|---|"]
    for recipe in recipes.in_set(name):
        for row in recipe.rows:
            if row.place != place:
                continue
            value = row.accuracy if row.accuracy is not None else row.sparsity
            spread = "" if row.sd is None else f" ± {row.sd:g}"
            published = "settings" if value is None else f"{value:g}{spread} %"
            lines.append(f"| {row.method} | {published} | `silif reproduce {recipe.name}` |")
    return "\n".join(lines)

"""What is laid out for the site: links that hold, and nothing of the solutions."""

from pathlib import Path

from course_utils import notebooks
from publish.site import linked, pages

PAGE = Path("lectures/10_vae.ipynb")


def test_links_to_pages_stay_and_others_lead_to_the_repository():
    staged = {Path("lectures/09_autoencoders.ipynb")}
    address = notebooks.repository()
    assert linked("see [lecture 9](09_autoencoders.ipynb)", PAGE, staged) == "see [lecture 9](09_autoencoders.ipynb)"
    assert (
        linked("[how](../CONTRIBUTING.md#models)", PAGE, staged) == f"[how]({address}/blob/main/CONTRIBUTING.md#models)"
    )
    assert linked("[all](../benchmarks)", PAGE, staged) == f"[all]({address}/tree/main/benchmarks)"
    for text in ("[out](https://arxiv.org/abs/1312.6114)", "$f[x](y)$", "![figure](../LICENSE)"):
        assert linked(text, PAGE, staged) == text


def test_pages_are_lectures_and_the_students_assignments():
    found = pages()
    lectures = {source.with_suffix(".ipynb").name for source in notebooks.sources() if notebooks.is_lecture(source)}
    assert {page.name for page in found if page.parts[0] == "lectures"} == lectures
    assert {file.relative_to(notebooks.ROOT).parts[0] for file in found.values()} == {"lectures", "assignments"}

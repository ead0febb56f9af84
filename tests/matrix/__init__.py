"""The permission matrix: every route, asked by every role for what lies inside and outside his area.

    city.py      the city, a second county beside it, and somebody in every role
    scene.py     what is planted: things with texts and ids that occur nowhere else
    truth.py     who may see what, written by hand from the catalogue's words
    bindings.py  how each route is asked for each planted thing (api.py, console.py)
    walk.py      asks, and holds every answer against the truth
    page.py      docs/permissions.md

`python -m tests.matrix > docs/permissions.md` makes the page anew.
"""

def test_a_record_is_created_and_listed(app, headers):
    created = app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=headers, status=201)
    assert app.get("/v0/mushrooms", headers=headers).json["data"] == [created.json["data"]]

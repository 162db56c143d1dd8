"""`hatch-lambda invoke --example` and `--set`: events as AWS sends them, and what a user sets in them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.parser import models
from click.testing import CliRunner

from hatch_lambda.cli import main
from hatch_lambda.invoke.example_events import SOURCES, Moment, example_event, parsed, with_assignments
from tests.support.functions import run
from tests.support.pages import blocks, section

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result
    from pydantic import BaseModel

AT = Moment(datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=timezone.utc))

MODELS: dict[str, type[BaseModel]] = {
    "apigw-v2": models.APIGatewayProxyEventV2Model,
    "apigw": models.APIGatewayProxyEventModel,
    "url": models.LambdaFunctionUrlModel,
    "sqs": models.SqsModel,
    "sns": models.SnsModel,
    "s3": models.S3Model,
    "eventbridge": models.EventBridgeModel,
    "dynamodb": models.DynamoDBStreamModel,
    "schedule": models.EventBridgeModel,
}


def shown(*arguments: str) -> Any:
    """The event that the command shows."""
    result = _show(*(argument for argument in arguments if argument != "--show-event"))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: str) -> str:
    """What the command says when it refuses to make an event."""
    result = _show(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr.partition("Error: ")[2]


def _show(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["invoke", *arguments, "--show-event"])


def of(source: str, *assignments: str) -> Any:
    """An example with assignments."""
    return with_assignments(example_event(source, AT), map(parsed, assignments))


class TestExamples:
    @pytest.mark.parametrize("source", SOURCES)
    def test_they_are_of_the_shape_that_powertools_expects(self, source: str) -> None:
        event = shown("--example", source)

        MODELS[source].model_validate(event)
        assert SOURCES[source].is_source_of(event)

    @pytest.mark.parametrize("source", SOURCES)
    def test_each_is_recognized_as_what_it_is(self, source: str) -> None:
        assert [each for each in SOURCES if SOURCES[each].is_source_of(example_event(source))] == [source]

    def test_their_times_are_those_of_now_in_each_services_spelling(self) -> None:
        assert example_event("apigw-v2", AT)["requestContext"]["time"] == "14/Mar/2026:09:26:53 +0000"
        assert example_event("url", AT)["requestContext"]["timeEpoch"] == 1773480413589
        assert example_event("s3", AT)["Records"][0]["eventTime"] == "2026-03-14T09:26:53.589Z"
        assert example_event("schedule", AT)["time"] == "2026-03-14T09:26:00Z"
        received = shown("--example", "sqs")["Records"][0]["attributes"]["ApproximateFirstReceiveTimestamp"]
        assert abs(int(received) / 1000 - datetime.now(tz=timezone.utc).timestamp()) < 60

    def test_a_function_gets_it(self, app: Path) -> None:
        result = run(app, "app.echo", "--example", "schedule", "--set", 'detail={"day": "Friday"}')

        assert json.loads(result.stdout)["detail"] == {"day": "Friday"}

    def test_without_showing_it_a_zip_and_a_handler_are_needed(self, app: Path) -> None:
        none = CliRunner().invoke(main, ["invoke", "--example", "sqs"])
        no_handler = CliRunner().invoke(main, ["invoke", str(app), "--example", "sqs"])

        assert (none.exit_code, no_handler.exit_code) == (2, 2)
        assert "Missing argument 'ZIP'" in none.stderr
        assert "Missing option '--handler'" in no_handler.stderr

    def test_there_is_one_event(self) -> None:
        assert "--event and --example both give the event" in refused("--example", "sqs", "--event", "{}")


class TestSet:
    def test_a_path_has_keys_and_indexes_and_the_value_is_json_or_text(self) -> None:
        event = '{"orders": [{"id": 1, "a.b": [null]}]}'

        assert shown("--event", event, "--set", "orders.0.id=two words") == {
            "orders": [{"id": "two words", "a.b": [None]}]
        }
        assert shown("--event", event, "--set", 'orders[0]["a.b"][0]={"x": [1.5]}') == {
            "orders": [{"id": 1, "a.b": [{"x": [1.5]}]}]
        }
        assert shown("--event", event, "--set", "orders=NaN") == {"orders": "NaN"}
        assert shown("--event", event, "--set", "orders=a=b") == {"orders": "a=b"}

    def test_the_default_event_takes_any_key(self) -> None:
        assert shown("--set", "id=7", "--set", "+nested.name=x") == {"id": 7, "nested": {"name": "x"}}

    @pytest.mark.parametrize(
        ("source", "assignment", "said"),
        [
            ("sqs", "body=x", "the event has no `body`. Did you mean `Records.0.body`?"),
            ("sqs", "Records.0.boby=x", "`Records.0` has no `boby`. Did you mean `Records.0.body`?"),
            ("apigw-v2", "requestContext.http.metod=PUT", "Did you mean `requestContext.http.method`?"),
            ("apigw-v2", "method=PUT", "Did you mean `requestContext.http.method`?"),
            ("eventbridge", "details.x=1", "Did you mean `detail`?"),
            ("sqs", "Records.1.body=x", "`Records` has 1 element, with indexes from 0."),
            ("s3", "Records.0.s3.object.size.kb=1", "`Records.0.s3.object.size` is 1024, which has nothing below it"),
            ("schedule", "qqqq=1", "the event has no `qqqq`; it has version, id, detail-type,"),
        ],
    )
    def test_an_unknown_path_is_refused_with_the_nearest(self, source: str, assignment: str, said: str) -> None:
        assert said in " ".join(refused("--example", source, "--set", assignment).split())

    def test_a_plus_adds_a_key(self) -> None:
        assert shown("--event", '{"a": {"b": 1}}', "--set", "+a.c=2") == {"a": {"b": 1, "c": 2}}
        assert "To add it, write +a.c=…" in refused("--event", '{"a": {"b": 1}}', "--set", "a.c=2")

    def test_a_plus_adds_a_record_like_the_last_with_an_identifier_of_its_own(self) -> None:
        one, two, three = of("sqs", "+Records.1.body=two", "+Records.2.body=three")["Records"]

        assert len({one["messageId"], two["messageId"], three["messageId"]}) == 3
        assert (two["body"], two["md5OfBody"]) == ("two", hashlib.md5(b"two").hexdigest())
        assert three["eventSourceARN"] == one["eventSourceARN"]

    @pytest.mark.parametrize("argument", ["id", "=7", "a..b=7", "a[x]=7", "+=1", ""])
    def test_what_is_no_path_and_value_is_refused(self, argument: str) -> None:
        assert f"{argument!r} is not PATH=VALUE" in " ".join(refused("--set", argument).split())

    def test_a_value_comes_from_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "order.json"
        file.write_text('{"id": 7}')

        assert shown("--example", "eventbridge", "--set", f"detail=@{file}")["detail"] == {"id": 7}
        assert shown("--set", 'name="@ada"') == {"name": "@ada"}
        assert "which cannot be read: No such file" in " ".join(refused("--set", "name=@ada").split())

    def test_strings_of_aws_stay_strings(self) -> None:
        assert of("schedule", "account=210987654321")["account"] == "210987654321"
        assert of("apigw-v2", "headers.x-retry=3")["headers"]["x-retry"] == "3"
        assert shown("--event", '{"id": "7"}', "--set", "id=8") == {"id": 8}

    def test_it_applies_to_an_event_of_a_file_which_is_recognized(self, tmp_path: Path) -> None:
        file = tmp_path / "event.json"
        file.write_text(json.dumps(example_event("sqs")))

        (record,) = shown("--event", str(file), "--set", "Records.0.body=new")["Records"]

        assert record["md5OfBody"] == hashlib.md5(b"new").hexdigest()

    @pytest.mark.parametrize(
        "event",
        [
            {"Records": [{"eventSource": "aws:sqs"}]},
            {"Records": [{"eventSource": "aws:s3", "s3": None}]},
            {"Records": [{"eventSource": "aws:dynamodb"}]},
            {"Records": [5]},
            {"version": "2.0", "rawPath": "/", "requestContext": {"http": 1}, "headers": []},
            {"resource": 1, "httpMethod": 2, "path": 3, "requestContext": {}},
            [],
        ],
    )
    def test_an_event_that_only_resembles_awss_is_left_as_it_is(self, event: Any) -> None:
        changed = with_assignments(event, [parsed("+0=1" if event == [] else "+more=1")])

        assert changed == ([1] if event == [] else {**event, "more": 1})


class TestHttp:
    @pytest.mark.parametrize("source", ["apigw-v2", "url", "apigw"])
    def test_a_body_is_text_with_its_length(self, source: str) -> None:
        event = of(source, 'body={"größe":  1}')

        headers = {name.lower(): value for name, value in event["headers"].items()}
        assert (event["body"], event["isBase64Encoded"]) == ('{"größe":  1}', False)
        assert headers.get("content-length") in {None, "15"}

    @pytest.mark.parametrize("source", ["apigw-v2", "url"])
    def test_of_a_type_that_is_not_text_it_is_base64(self, source: str) -> None:
        event = of(source, "body=a=1&b=2", "headers.Content-Type=application/x-www-form-urlencoded")

        assert (event["body"], event["isBase64Encoded"]) == (base64.b64encode(b"a=1&b=2").decode(), True)
        assert event["headers"]["content-length"] == "7"
        assert "Content-Type" not in event["headers"]

    @pytest.mark.parametrize("source", ["apigw-v2", "url", "apigw"])
    def test_a_binary_file_is_base64(self, source: str, tmp_path: Path) -> None:
        file = tmp_path / "photo.png"
        file.write_bytes(b"\x89PNG\xff")

        event = of(source, f"body=@{file}")

        assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\x89PNG\xff", True)

    def test_who_says_how_it_is_encoded_is_believed(self) -> None:
        event = of("apigw-v2", "body=aGk=", "isBase64Encoded=true")

        assert (event["body"], event["isBase64Encoded"], event["headers"]["content-length"]) == ("aGk=", True, "2")
        assert "`body` must be base64, not '{'" in " ".join(
            refused("--example", "url", "--set", "body={", "--set", "isBase64Encoded=true").split()
        )

    def test_no_body_is_not_encoded(self) -> None:
        event = of("apigw", "body=null", "httpMethod=GET")

        assert (event["body"], event["isBase64Encoded"], event["requestContext"]["httpMethod"]) == (None, False, "GET")

    def test_path_and_query_agree_wherever_they_stand(self) -> None:
        event = of("apigw-v2", "rawPath=/a", "queryStringParameters.page=2", "queryStringParameters.q=a b")
        assert event["requestContext"]["http"]["path"] == "/a"
        assert event["rawQueryString"] == "currency=EUR&page=2&q=a+b"

        event = of("url", "requestContext.http.path=/b", "rawQueryString=x=1&x=2&y=")
        assert (event["rawPath"], event["queryStringParameters"]) == ("/b", {"x": "1,2", "y": ""})

        event = of("apigw", "path=/a/b", "queryStringParameters.page=2", "headers.accept=text/html")
        assert (event["requestContext"]["path"], event["pathParameters"]) == ("/prod/a/b", {"proxy": "a/b"})
        assert event["multiValueQueryStringParameters"] == {"currency": ["EUR"], "page": ["2"]}
        assert event["multiValueHeaders"]["Accept"] == ["text/html"]

        event = of("apigw", 'multiValueQueryStringParameters={"id": [1, 2]}')
        assert event["queryStringParameters"] == {"id": "2"}

    def test_claims_of_an_authorizer_can_be_set(self) -> None:
        event = of("apigw-v2", "requestContext.authorizer.jwt.claims.sub=ada")

        assert event["requestContext"]["authorizer"] == {"jwt": {"claims": {"sub": "ada"}}}

    def test_headers_are_an_object(self) -> None:
        assert "`headers` must be an object, not 5" in refused("--example", "url", "--set", "headers=5")


class TestMessages:
    def test_the_md5_of_an_sqs_body_follows_it(self) -> None:
        (record,) = of("sqs", 'Records.0.body={"id": 7}')["Records"]

        assert record["body"] == '{"id": 7}'
        assert record["md5OfBody"] == hashlib.md5(b'{"id": 7}').hexdigest()

    def test_sqs_message_attributes_have_their_shape_and_the_md5_that_sqs_gives(self) -> None:
        (record,) = of(
            "sqs",
            "Records.0.messageAttributes.timestamp_iso=2020-01-01",
            "Records.0.messageAttributes.count=3",
            'Records.0.messageAttributes.raw={"dataType": "Binary", "binaryValue": "AAE="}',
        )["Records"]

        empty: dict[str, Any] = {"stringListValues": [], "binaryListValues": []}
        assert record["messageAttributes"] == {
            "timestamp_iso": {**empty, "stringValue": "2020-01-01", "dataType": "String"},
            "count": {**empty, "stringValue": "3", "dataType": "Number"},
            "raw": {**empty, "binaryValue": "AAE=", "dataType": "Binary"},
        }
        encoded = b"".join(
            [
                b"\0\0\0\5count\0\0\0\6Number\1\0\0\0\0013",
                b"\0\0\0\3raw\0\0\0\6Binary\2\0\0\0\2\0\1",
                b"\0\0\0\x0dtimestamp_iso\0\0\0\6String\1\0\0\0\n2020-01-01",
            ]
        )
        assert record["md5OfMessageAttributes"] == hashlib.md5(encoded).hexdigest()
        models.SqsModel.model_validate({"Records": [record]})

    def test_those_of_sns_have_theirs(self) -> None:
        event = of("sns", "Records.0.Sns.MessageAttributes.kind=express", 'Records.0.Sns.Message={"a": 1}')

        notification = event["Records"][0]["Sns"]
        assert notification["MessageAttributes"] == {"kind": {"Type": "String", "Value": "express"}}
        assert notification["Message"] == '{"a": 1}'
        models.SnsModel.model_validate(event)

    def test_the_fields_of_a_fifo_queue_are_known(self) -> None:
        (record,) = of("sqs", "Records.0.attributes.MessageGroupId=7")["Records"]

        assert record["attributes"]["MessageGroupId"] == "7"


class TestStorage:
    def test_the_arn_of_a_bucket_has_its_name(self) -> None:
        assert of("s3", "Records.0.s3.bucket.name=photos")["Records"][0]["s3"]["bucket"]["arn"] == "arn:aws:s3:::photos"

    def test_values_of_items_get_dynamodbs_types(self) -> None:
        image = "Records.0.dynamodb.NewImage"
        event = of("dynamodb", f'{image}.lines=[{{"n": 2.5}}, null, true, "x"]', f'{image}.total={{"N": "3"}}')

        new = event["Records"][0]["dynamodb"]["NewImage"]
        assert new["lines"] == {"L": [{"M": {"n": {"N": "2.5"}}}, {"NULL": True}, {"BOOL": True}, {"S": "x"}]}
        assert new["total"] == {"N": "3"}
        models.DynamoDBStreamModel.model_validate(event)

    def test_keys_and_images_agree(self) -> None:
        by_image = of("dynamodb", "Records.0.dynamodb.NewImage.id=A")["Records"][0]["dynamodb"]
        by_key = of("dynamodb", "Records.0.dynamodb.Keys.id=B")["Records"][0]["dynamodb"]

        assert by_image["Keys"] == {"id": {"S": "A"}}
        assert by_image["OldImage"]["id"] == {"S": "A"}
        assert by_key["NewImage"]["id"] == by_key["OldImage"]["id"] == {"S": "B"}

    @pytest.mark.parametrize(("name", "lacking"), [("INSERT", "OldImage"), ("REMOVE", "NewImage")])
    def test_a_new_item_has_no_former_image_and_a_removed_one_no_new_one(self, name: str, lacking: str) -> None:
        change = of("dynamodb", f"Records.0.eventName={name}")["Records"][0]["dynamodb"]

        assert change.keys() & {"NewImage", "OldImage"} == {"NewImage", "OldImage"} - {lacking}


class TestPage:
    """`docs/how-to/invoke.md`."""

    def test_it_lists_the_examples(self) -> None:
        rows = re.findall(r"^\| `(\w[\w-]+)` \| (.+) \|$", section("how-to/invoke.md", "The event"), re.MULTILINE)

        assert rows == [(source.name, source.title) for source in SOURCES.values()]

    def test_its_commands_that_show_events_do(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "event.json").write_text(json.dumps(example_event("sqs")))
        (tmp_path / "message.json").write_text('{"id": 7}')
        commands = [line for block in blocks("how-to/invoke.md", "sh") for line in block.splitlines()]
        events = [shown(*shlex.split(line)[2:]) for line in commands if line.endswith("--show-event")]

        put, sqs, from_file = events
        assert (put["requestContext"]["http"]["method"], put["body"]) == ("PUT", '{"quantity": 3}')
        assert sqs["Records"][0]["messageAttributes"]["kind"]["stringValue"] == "express"
        assert from_file["Records"][0]["body"] == '{"id": 7}'

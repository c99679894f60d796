"""In what the clouds differ, each with its reason: tests ask here, and know no cloud by name."""

from typing import Final

from tests.clouds.targets import chosen

ENGINE_OF_AWS: Final = chosen() in ("dynamodb-local", "localstack")
"""The tables are on DynamoDB Local."""
BUS_IN_ORDER: Final = chosen() != "localstack"
"""What a relay sends one after the other arrives so. No bus promises that, AWS's neither; LocalStack's delivers from several threads."""
RECOVERY: Final = not ENGINE_OF_AWS
"""There is point-in-time recovery. DynamoDB Local does not know the operations, and provisioning says so."""
NO_RECOVERY: Final = "it has no point-in-time recovery (this endpoint does not support it)"
INDEX_UNITS: Final = 2 if ENGINE_OF_AWS else 1
"""What a commit pays for one entry of an index. AWS doubles only the rows of the table itself; DynamoDB Local doubles both."""
ROWS_METERED: Final = 1 if ENGINE_OF_AWS else 2
"""Of two rows of one table in one commit, how many are in the consumed capacity. DynamoDB Local tells of one."""
MISSING_ROW_UNITS: Final = 0 if ENGINE_OF_AWS else 1
"""What a look for a row that is not there costs. AWS takes the smallest unit; DynamoDB Local says nothing."""

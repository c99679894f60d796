"""From the declarations to an AWS account: CloudFormation templates as data, and a deployment that tells what it does."""

DROP INDEX "ix_registration_request_rare_outcome";--> statement-breakpoint
ALTER TABLE "registration_request" ADD COLUMN "principal" text;--> statement-breakpoint
ALTER TABLE "workflow" ADD COLUMN "principal" text;--> statement-breakpoint
CREATE INDEX "ix_registration_request_not_created" ON "registration_request" USING btree ("outcome","completed_at","request_id") WHERE "registration_request"."outcome" <> 'created';--> statement-breakpoint
CREATE INDEX "ix_workflow_not_active" ON "workflow" USING btree ("status","workflow_id") WHERE "workflow"."status" <> 'active';
//! `AnalyticsService`.

use api::workflow::analytics_service_server::AnalyticsService;
use api::workflow::{
    GetWorkflowAnalyticsRequest, LedgerReport, VerifyLedgerRequest, WorkflowAnalytics,
};
use permissions::{AnalyticsRead, Grant};
use tonic::{Request, Response, Status};

use crate::call::Rpc;
use crate::convert::{figures, ledger};

#[tonic::async_trait]
impl AnalyticsService for Rpc {
    async fn get_workflow_analytics(
        &self,
        request: Request<GetWorkflowAnalyticsRequest>,
    ) -> Result<Response<WorkflowAnalytics>, Status> {
        let call = self.call(&request)?;
        let request = request.into_inner();
        let id = call.name("name", &request.name)?;
        let wanted = &figures::wanted(request);
        let found = call
            .run(|grant: Grant<AnalyticsRead>| async move {
                self.services().analytics.workflow(&grant, id, wanted.clone()).await
            })
            .await?;
        Ok(Response::new(figures::figures(found)))
    }

    async fn verify_ledger(
        &self,
        request: Request<VerifyLedgerRequest>,
    ) -> Result<Response<LedgerReport>, Status> {
        let call = self.call(&request)?;
        let id = call.name("name", &request.get_ref().name)?;
        let found = call
            .run(|grant: Grant<AnalyticsRead>| async move {
                self.services().analytics.verify_ledger(&grant, id).await
            })
            .await?;
        Ok(Response::new(ledger::report(found)))
    }
}

"""verl on a curriculum. For verl 0.9, by configuration alone; only `manager` and `agent` import verl.

    data.custom_cls.path=pkg://longctx_pipeline.verl.dataset  data.custom_cls.name=PlanDataset
    data.train_files=[plan.parquet]  data.shuffle=False  data.dataloader_num_workers=0
    +data.pipeline.source=grpc://127.0.0.1:8815  +data.pipeline.run=r1
    reward.reward_manager.source=importlib  reward.reward_manager.name=CurriculumRewardManager
    reward.reward_manager.module.path=pkg://longctx_pipeline.verl.manager
    reward.custom_reward_function.path=pkg://longctx_pipeline.verl.reward  (or your own function)

`data.pipeline` has the keys of `settings.Settings`.
"""

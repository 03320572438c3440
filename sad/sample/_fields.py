"""What stands between the values of a line, in each of three periods.

Until October 2017, until December 2018, and later. Source: specification 4.3 and 4.4, and the
Reddit API of the time.
"""

RICH = '"author_flair_richtext":[],"author_flair_template_id":null,"author_flair_text":'
OPENINGS = (
    '{"author":"',
    '{"author":"',
    '{"all_awardings":[],"associated_award":null,"author":"',
)
FLAIRS = (
    '","author_flair_css_class":null,"author_flair_text":',
    '","author_flair_background_color":null,"author_flair_css_class":null,' + RICH,
    '","author_flair_background_color":null,"author_flair_css_class":null,' + RICH,
)
AFTER_FLAIR = (
    "",
    ',"author_flair_text_color":null,"author_flair_type":"text"',
    ',"author_flair_text_color":null,"author_flair_type":"text","author_patreon_flair":false,'
    '"author_premium":false,"awarders":[]',
)
AFTER_BODY = (
    '","controversiality":',
    '","can_gild":true,"collapsed":false,"collapsed_reason":null,"controversiality":',
    '","can_gild":true,"collapsed":false,"collapsed_because_crowd_control":null,'
    '"collapsed_reason":null,"controversiality":',
)
BEFORE_ID = (
    ',"gilded":0,"id":"',
    ',"gilded":0,"gildings":{"gid_1":0,"gid_2":0,"gid_3":0},"id":"',
    ',"gilded":0,"gildings":{},"id":"',
)
BEFORE_PARENT = (
    '","parent_id":"',
    '","no_follow":true,"parent_id":"',
    '","locked":false,"no_follow":true,"parent_id":"',
)
BEFORE_RETRIEVED = (
    ',"retrieved_',
    ',"removal_reason":null,"retrieved_',
    ',"quarantined":false,"removal_reason":null,"retrieved_',
)
BEFORE_STICKIED = (
    ',"stickied":',
    ',"score_hidden":false,"send_replies":true,"stickied":',
    ',"score_hidden":false,"send_replies":true,"steward_reports":[],"stickied":',
)
LAST = (
    ',"subreddit_id":"t5_2w2s8"}\n',
    ',"subreddit_id":"t5_2w2s8","subreddit_type":"public"}\n',
    ',"subreddit_id":"t5_2w2s8","subreddit_name_prefixed":"r/changemyview",'
    '"subreddit_type":"public","total_awards_received":0}\n',
)
POST_FIELDS = (
    ',"contest_mode":false,"domain":"self.changemyview"',
    ',"brand_safe":true,"can_gild":true,"contest_mode":false,"domain":"self.changemyview"',
    ',"all_awardings":[],"allow_live_comments":false,"can_mod_post":false,'
    '"contest_mode":false,"domain":"self.changemyview"',
)
POST_LAST = (
    ',"thumbnail":"self"',
    ',"no_follow":false,"num_crossposts":0,"thumbnail":"self","whitelist_status":"all_ads"',
    ',"media_only":false,"no_follow":false,"num_crossposts":0,"pwls":6,"removed_by_category":null,'
    '"send_replies":true,"thumbnail":"self",'
    '"whitelist_status":"all_ads","wls":6',
)

using ManyHands.Platform;

namespace ManyHands.Tests.Faults;

/// <summary>What a fault may cost, exactly.</summary>
/// <param name="FewestCrashed">Calls that end as crashed, at least.</param>
/// <param name="MostCrashed">Calls that end as crashed, at most.</param>
/// <param name="MostLost">Workers that the pool counts as lost, at most.</param>
/// <param name="RunsOfCrashed">How often the function of a crashed call has run, where that is certain.</param>
internal sealed record Law(int FewestCrashed, int MostCrashed, int MostLost, int? RunsOfCrashed = null)
{
    public static Law Of(Scenario scenario, FaultSides side, FaultStep? step, Fault fault, int hits)
    {
        // Nobody is declared dead for being slow or stopped for a moment, on whichever side.
        if (step is null || side != FaultSides.Child || fault != Fault.Kill)
            return new(scenario.Crashes, scenario.Crashes, scenario.MostLost);

        (int fewest, int most) = hits == 1 ? CrashesOfKill(scenario, step.Value) : (0, 1);

        // The killed worker may have had the very call that crashes anyway.
        if (scenario.Crashes > 0)
            return new(scenario.Crashes, scenario.Crashes + most, scenario.MostLost + 1);
        int? runs = hits > 1 ? null : step switch
        {
            FaultStep.StartedTold or FaultStep.FrameSent => 0,
            FaultStep.FrameHalfReceived => null,
            _ => 1,
        };
        return new(fewest, most, scenario.MostLost + 1, runs);
    }

    // At the first time that a child comes by the step.
    private static (int Fewest, int Most) CrashesOfKill(Scenario scenario, FaultStep step) => (scenario.Name, step) switch
    {
        // The first call is the initializer's: no call of a caller's is there.
        ("start", _) => (0, 0),

        // A fresh worker's first frame says that it takes calls: none is there.
        (_, FaultStep.FrameSending or FaultStep.FrameSent or FaultStep.RingReserved or FaultStep.RingHalfCopied) when !scenario.SharesPool => (0, 0),

        // Killed right when the timeout is up: it was that, or it was the crash.
        ("cancel", FaultStep.StartedTold or FaultStep.FrameSent) => (0, 1),

        // The caller had given up before, and is told just that.
        ("cancel", _) => (0, 0),

        // Many frames come at a time here: a call of those before may have been told to run, and may or may not have begun.
        ("flood", FaultStep.FrameHalfReceived) => (0, 1),

        // The parent doesn't know that the call was about to run, so it runs elsewhere.
        (_, FaultStep.ChildEntered or FaultStep.ChildConnecting or FaultStep.ChildConnected or FaultStep.ReadySent or FaultStep.SetupRead) => (0, 0),
        (_, FaultStep.CallRead or FaultStep.CallDecoded or FaultStep.FrameReceived or FaultStep.FrameHalfReceived or FaultStep.FrameSending) => (0, 0),
        (_, FaultStep.RingRead or FaultStep.RingReleased or FaultStep.SideSegmentMapped or FaultStep.StartedMarking) => (0, 0),

        // A worker that waits for calls has answered those it had.
        (_, FaultStep.RingSleepAnnounced or FaultStep.RingSleeping) => (0, 0),

        // The first frame of a call is a report here: the reader has it, and no outcome. Whoever looks himself is not woken for it.
        ("progress", FaultStep.RingPublished) => (1, 1),
        ("progress", FaultStep.RingBeforeWake) => (0, 1),

        // The parent knows all, and has the outcome. The rest of a batch is unstarted.
        (_, FaultStep.AnswerSent or FaultStep.ShutdownRead or FaultStep.BatchItemAnswered) => (0, 0),
        (_, FaultStep.RingPublished or FaultStep.RingBeforeWake or FaultStep.SegmentReleasing or FaultStep.SegmentTakenBack) => (0, 0),

        // The parent knows that the call runs, and has no outcome. Over a socket the first frame of a call says that it runs, in shared memory it is the outcome.
        (_, FaultStep.StartedTold or FaultStep.FrameSent) => (1, 1),
        (_, FaultStep.FunctionReturned or FaultStep.AnswerEncoded or FaultStep.ProgressSending or FaultStep.FrameHalfSent or FaultStep.BatchItemRun) => (1, 1),
        (_, FaultStep.RingReserved or FaultStep.RingHalfCopied or FaultStep.SideSegmentCreated or FaultStep.SideSegmentSent) => (1, 1),

        // The call that held up the others runs, or has just ended.
        (_, FaultStep.RecallRead) => (0, 1),

        // In the middle of sending or taking a frame over some transport: the call was told to run, or it wasn't.
        _ => (0, 1),
    };
}

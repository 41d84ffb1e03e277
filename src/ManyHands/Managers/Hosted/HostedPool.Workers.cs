using System.Buffers.Binary;
using System.Diagnostics;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

// The workers' side: who gets which call, and what becomes of it when a worker is gone.
internal sealed partial class HostedPool
{
    /// <summary>After so many workers were lost with a call unstarted, it is the call that ends them.</summary>
    private const int MostReturns = 3;

    private const int MostCapacity = 10_000;

    /// <summary>Of one client.</summary>
    private const int MostWorkers = 1_000;

    /// <summary>Orders go together up to this many bytes; a larger one goes alone.</summary>
    private const int UsualAnswer = 1 << 20;

    private readonly Dictionary<long, HostedWorker> workers = [];

    /// <summary>Workers that would run a call at once, the one that has waited longest first.</summary>
    private readonly LinkedList<HostedWorker> free = new();

    /// <summary>Workers that would have it wait behind others.</summary>
    private readonly LinkedList<HostedWorker> roomy = new();

    private readonly List<HostedWorker> ordered = [];
    private long lastWorker;
    private long joined;
    private long lost;

    /// <summary>How many calls all workers take together.</summary>
    private long room;

    private int Room => (int)Math.Min(int.MaxValue, room);

    /// <summary>How many calls are with workers that can't run them at once.</summary>
    private int beyond;

    /// <summary>How many workers are known to lack a function.</summary>
    private int lacking;

    private void Join(HostedRequest request, ref PayloadReader body)
    {
        int capacity = body.ReadUnmanaged<int>();
        string workerName = body.ReadRequiredString();
        int processId = body.ReadUnmanaged<int>();
        if (capacity is < 1 or > MostCapacity || workerName.Length > HostedObjects.LongestName)
        {
            request.Refuse(FailureKind.BadRequest, $"A worker runs between 1 and {MostCapacity:N0} calls at a time, and its name has at most {HostedObjects.LongestName} characters.");
            return;
        }

        lock (Gate)
        {
            if (isStopped)
            {
                request.Refuse(FailureKind.Gone, $"The manager has stopped, and '{Name}' with it.");
                return;
            }

            if (workers.Values.Count(one => one.Session == request.Session) >= MostWorkers)
            {
                request.Refuse(FailureKind.Quota, $"This client has {MostWorkers:N0} workers in the pool '{Name}', and more it may not have.");
                return;
            }

            if (!request.Session.Touch(this))
                return;
            HostedWorker worker = new(++lastWorker, request.Session, workerName, processId, capacity);
            workers.Add(worker.Number, worker);
            joined++;
            room += worker.Most;
            Arrange(worker);
            Span<byte> answer = stackalloc byte[12];
            BinaryPrimitives.WriteInt64LittleEndian(answer, worker.Number);
            BinaryPrimitives.WriteInt32LittleEndian(answer[8..], largest);
            request.Answer(answer);
            while (Line.First is { Value: var waiting })
            {
                TakeOut(waiting);
                AnswerBool(waiting, true);
            }

            Feed();
        }
    }

    private void Take(HostedRequest request, long number)
    {
        lock (Gate)
        {
            if (Find(request, number) is not { } worker)
            {
                request.Refuse(FailureKind.Gone, $"The pool '{Name}' has no worker {number} of this client: join again.");
                return;
            }

            if (worker.Take is { } earlier)
            {
                worker.Take = null;
                earlier.Refuse(FailureKind.Canceled, "Another has taken its place.");
            }

            worker.Take = request;
            request.State = worker;
            request.BeginWait(this);
            if (request.Session.IsEnded)
                Withdraw(request, WithdrawalReason.SessionEnded);
            else
                Flush(worker);
        }
    }

    private void LeaveOne(HostedRequest request, long number, bool isGone)
    {
        lock (Gate)
        {
            if (Find(request, number) is { } worker)
            {
                if (!worker.IsLeaving)
                {
                    worker.IsLeaving = true;
                    room -= worker.Most;
                    Arrange(worker);
                    foreach (HostedCall call in worker.Calls.Values.Where(one => !one.IsHanded).OrderByDescending(one => one.Ticket).ToArray())
                        TakeBack(worker, call);
                }

                if (isGone)
                    Lose(worker, isHeardOut: true, hasLeft: true);
                Feed();
            }

            request.Answer();
        }
    }

    private void Hear(HostedRequest request, ref PayloadReader body)
    {
        long number = body.ReadUnmanaged<long>();
        lock (Gate)
        {
            // News of an earlier connection's worker: what it had is known to be lost.
            if (Find(request, number) is not { } worker)
                return;
            try
            {
                while (body.Remaining > 0)
                    Hear(worker, WireNumber.ReadEnum<PoolNews>(ref body), body.ReadUnmanaged<long>(), ref body);
            }
            finally
            {
                // What was heard before what can't be read has happened.
                Feed();
            }
        }
    }

    private HostedWorker? Find(HostedRequest request, long number) =>
        workers.TryGetValue(number, out HostedWorker? worker) && worker.Session == request.Session ? worker : null;

    // What follows is under the gate.

    private void Hear(HostedWorker worker, PoolNews news, long ticket, ref PayloadReader body)
    {
        worker.Calls.TryGetValue(ticket, out HostedCall? call);
        switch (news)
        {
            case PoolNews.Started:
                if (call is not null)
                    OnStarted(worker, call);
                break;
            case PoolNews.Ended:
                PoolOutcome outcome = WireNumber.ReadEnum<PoolOutcome>(ref body);
                ReadOnlySpan<byte> payload = body.ReadBytes(body.ReadCount(1));
                if (call is null)
                    break;
                Part(worker, call);
                worker.Ended++;
                if (outcome == PoolOutcome.Crashed && MayRunAgain(call))
                    Queue(call);
                else
                    Settle(call, outcome, payload);
                break;
            case PoolNews.Returned:
                if (call is not null)
                    TakeBack(worker, call);
                break;
            case PoolNews.Lacking:
                string text = body.ReadRequiredString();
                if (call is not null)
                    OnLacking(worker, call, text);
                break;
            case PoolNews.Report:
                int receiver = body.ReadUnmanaged<int>();
                byte[] value = ReadBlock(ref body);
                if (call is { IsSettled: false, HasReceivers: true })
                    OnReport(call, receiver, value);
                break;
        }
    }

    private void OnStarted(HostedWorker worker, HostedCall call)
    {
        call.State = HostedCallState.Started;
        call.StartedAt = Stopwatch.GetTimestamp();
        ForgetRecall(worker, call);
        if (call.Head.Timeout == Timeout.InfiniteTimeSpan || call.IsSettled)
            return;
        call.Deadline?.Cancel();
        call.Deadline = Deadlines.After(call.Head.Timeout + call.Head.Grace + Slack, () =>
        {
            lock (Gate)
            {
                if (call.Worker != worker || call.State != HostedCallState.Started)
                    return;
                Settle(call, PoolOutcome.TimedOut);
                HaveCanceled(call);
            }
        });
    }

    private void OnLacking(HostedWorker worker, HostedCall call, string text)
    {
        if (worker.Lacking is null)
        {
            worker.Lacking = [];
            lacking++;
        }

        worker.Lacking[call.Wanted] = text;
        TakeBack(worker, call);
        EndHopeless();
    }

    private void OnReport(HostedCall call, int receiver, byte[] value)
    {
        if (!TryHold(call, StoredBytes.SizeOf(value)))
        {
            Settle(call, PoolOutcome.Broken, $"A report of its progress doesn't fit, as its caller doesn't take those before it: {bytes.Full(Name)}");
            HaveCanceled(call);
            return;
        }

        call.Reports.Add((receiver, value));
        if (call.Listener is not { } listener)
            return;
        call.Listener = null;
        AnswerReports(listener, call.Reports, isEnd: false);
        ForgetReports(call);
    }

    /// <summary>Gives calls to workers as long as both are there.</summary>
    private void Feed()
    {
        do
        {
            for (LinkedListNode<HostedCall>? next = queue.First; next is not null && (free.Count > 0 || roomy.Count > 0);)
            {
                HostedCall call = next.Value;
                next = next.Next;

                // Only if all that have room lack its function there is none for it.
                if (Choose(free, call) is { } worker || (worker = Choose(roomy, call)) is not null)
                    Give(call, worker);
            }
        }
        while (Balance());

        foreach (HostedWorker worker in ordered)
            Flush(worker);
        ordered.Clear();
    }

    private static HostedWorker? Choose(LinkedList<HostedWorker> among, HostedCall call)
    {
        foreach (HostedWorker worker in among)
        {
            if (!worker.Lacks(call))
                return worker;
        }

        return null;
    }

    private void Give(HostedCall call, HostedWorker worker)
    {
        TakeFromQueue(call);
        call.Deadline?.Cancel();
        call.State = HostedCallState.Sent;
        call.Worker = worker;
        worker.Calls.Add(call.Ticket, call);
        Arrange(worker);
        Order(worker, PoolOrder.Run, call);
    }

    /// <summary>Has workers give back what waits behind others, when there are some that would run it at once.</summary>
    /// <returns>Whether some of it is back already.</returns>
    private bool Balance()
    {
        if (queue.Count > 0 || beyond == 0 || free.Count == 0)
            return false;
        int places = free.Sum(worker => worker.Capacity - worker.Calls.Count);
        bool isBack = false;
        foreach (HostedWorker worker in workers.Values)
        {
            if (worker.Beyond == 0 || worker.Recalls > 0)
                continue;
            HostedCall[] back = [.. worker.Calls.Values
                .Where(call => call.State == HostedCallState.Sent && !call.IsSettled && Choose(free, call) is not null)
                .OrderByDescending(call => call.Ticket)
                .Take(Math.Min(worker.Beyond, places))];
            foreach (HostedCall call in back)
            {
                places--;
                if (!call.IsHanded)
                {
                    TakeBack(worker, call);
                    isBack = true;
                    continue;
                }

                call.IsRecalled = true;
                worker.Recalls++;
                Order(worker, PoolOrder.Recall, call);
            }

            if (places == 0)
                break;
        }

        return isBack;
    }

    /// <summary>A call that wasn't started is nobody's again, and the first to go elsewhere.</summary>
    private void TakeBack(HostedWorker worker, HostedCall call)
    {
        Part(worker, call);
        Queue(call);
    }

    private void Queue(HostedCall call)
    {
        call.State = HostedCallState.Queued;
        if (call.IsSettled)
            return;
        if (call.CancelRequested)
        {
            Settle(call, PoolOutcome.Canceled);
            return;
        }

        call.Place = queue.AddFirst(call);
        if (workers.Count == 0)
            Bear(call);
    }

    private void Part(HostedWorker worker, HostedCall call)
    {
        worker.Calls.Remove(call.Ticket);
        ForgetRecall(worker, call);
        call.Deadline?.Cancel();
        call.Worker = null;
        call.IsHanded = false;
        Arrange(worker);
    }

    private static void ForgetRecall(HostedWorker worker, HostedCall call)
    {
        if (!call.IsRecalled)
            return;
        call.IsRecalled = false;
        worker.Recalls--;
    }

    /// <summary>Has its worker end it, if one has it.</summary>
    private void HaveCanceled(HostedCall call)
    {
        if (call.Worker is not { } worker)
            return;
        if (call.IsHanded)
        {
            Order(worker, PoolOrder.Cancel, call);
            Flush(worker);
        }
        else
        {
            Part(worker, call);
        }
    }

    /// <summary>Puts a worker among those with room, or out of them.</summary>
    private void Arrange(HostedWorker worker)
    {
        int count = worker.Calls.Count;
        int over = Math.Max(0, count - worker.Capacity);
        beyond += over - worker.Beyond;
        worker.Beyond = over;
        LinkedList<HostedWorker>? list = worker.IsLeaving ? null : count < worker.Capacity ? free : count < worker.Most ? roomy : null;
        worker.Place?.List?.Remove(worker.Place);
        worker.Place = list?.AddLast(worker);
    }

    private void Order(HostedWorker worker, PoolOrder order, HostedCall call)
    {
        worker.Orders.Enqueue((order, call));
        if (ordered.Count == 0 || ordered[^1] != worker)
            ordered.Add(worker);
    }

    /// <summary>Tells a worker what it is to do, if it listens.</summary>
    private static void Flush(HostedWorker worker)
    {
        if (worker.Take is not { } take || worker.Orders.Count == 0)
            return;
        using PayloadWriter writer = new();
        writer.WriteUnmanaged(0);
        int count = 0;
        while (worker.Orders.TryPeek(out (PoolOrder Order, HostedCall Call) next) && (count == 0 || writer.Length + next.Call.Message.Length < UsualAnswer))
        {
            worker.Orders.Dequeue();

            // It may have left since, or have been sent by an order before this one.
            HostedCall call = next.Call;
            if (call.Worker != worker || call.IsHanded == (next.Order == PoolOrder.Run))
                continue;
            writer.WriteByte((byte)next.Order);
            writer.WriteUnmanaged(call.Ticket);
            if (next.Order == PoolOrder.Run)
            {
                call.IsHanded = true;
                WriteBlock(writer, call.Message);
            }

            count++;
        }

        if (count == 0)
            return;
        writer.PatchInt32(0, count);
        worker.Take = null;
        take.Answer(writer.WrittenSpan);
    }

    private static bool MayRunAgain(HostedCall call) => !call.IsSettled && !call.CancelRequested && call.Crashes++ < call.Retries;

    /// <summary>A worker is gone.</summary>
    /// <param name="isHeardOut">Whether all is known of what it had started.</param>
    /// <param name="hasLeft">Whether it said so itself.</param>
    private void Lose(HostedWorker worker, bool isHeardOut, bool hasLeft)
    {
        if (!workers.Remove(worker.Number))
            return;
        if (!worker.IsLeaving)
            room -= worker.Most;
        worker.IsLeaving = true;
        if (worker.Lacking is not null)
            lacking--;
        if (worker.Take is { } take)
        {
            worker.Take = null;
            take.Refuse(FailureKind.Gone, "The worker has left.");
        }

        HostedCall[] calls = [.. worker.Calls.Values.OrderByDescending(call => call.Ticket)];
        if (calls.Length > 0 || !hasLeft)
            lost++;
        foreach (HostedCall call in calls)
        {
            bool mayHaveRun = call.State == HostedCallState.Started || (call.IsHanded && !isHeardOut);
            bool hasBegun = call.State == HostedCallState.Started;
            TimeSpan ranFor = call.RanFor;
            Part(worker, call);
            if (mayHaveRun ? MayRunAgain(call) : ++call.Returns < MostReturns)
                Queue(call);
            else if (call.CancelRequested)
                Settle(call, PoolOutcome.Canceled);
            else
                SettleCrashed(call, worker, hasLeft ? "it left" : "its connection ended", hasBegun, mayHaveRun, ranFor);
        }

        // Those that never were with a worker have to do without one from now on, too.
        if (workers.Count == 0)
        {
            foreach (HostedCall call in queue)
                Bear(call);
        }

        EndHopeless();
    }

    private void SettleCrashed(HostedCall call, HostedWorker worker, string how, bool hasBegun, bool mayHaveRun, TimeSpan ranFor)
    {
        string state = hasBegun
            ? $"while it ran {call.Head.Name}, after {ranFor.TotalMilliseconds:N0} ms"
            : mayHaveRun ? $"with {call.Head.Name} in its hands, and whether it had begun isn't known" : $"before it had begun {call.Head.Name}, which {call.Returns} workers have not survived to do";
        string tries = call.Crashes > 1 ? $" It was the call's attempt number {call.Crashes}." : "";
        WorkerExit exit = new()
        {
            ProcessId = worker.ProcessId,
            RunTime = Stopwatch.GetElapsedTime(worker.JoinedAt),
            LastErrorLines = [],
            Reason = how,
        };
        using PayloadWriter writer = new();
        CrashReport.Write(writer, $"The worker '{worker.Name}' (process {worker.ProcessId}) of the pool '{Name}' was lost, {how}, {state}.{tries}", exit, ranFor);
        Settle(call, PoolOutcome.Crashed, writer.WrittenSpan);
    }

    /// <summary>Fails what waits though none of the workers has the function.</summary>
    private void EndHopeless()
    {
        if (lacking == 0)
            return;
        foreach (HostedCall call in queue.ToArray())
            EndIfHopeless(call);
    }
}

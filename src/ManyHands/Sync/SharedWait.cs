using ManyHands.Platform;

namespace ManyHands;

/// <summary>Waits for several things at a time, until any of them is ready: ends of pipes, queues and worker processes, in any mixture.</summary>
/// <remarks>
/// Ready means that asking says something at once: an end of a pipe has a message or the end of the stream, a queue has an item or is completed, a worker process has ended. Nothing is taken; where others
/// ask too, they may be faster, so ask with <c>TryReceive</c> or <c>TryDequeue</c>.
/// What has come to its end stays ready: leave it out from then on.
/// </remarks>
/// <example><code>
/// while (SharedWait.Any([pipe, queue, worker]) is var ready &amp;&amp; !ready.Contains(worker))
/// {
///     if (ready.Contains(queue) &amp;&amp; queue.TryDequeue(out string? item))
///         Console.WriteLine(item);
/// }
/// </code></example>
public static class SharedWait
{
    /// <summary>Waits until any is ready.</summary>
    /// <param name="objects">What to wait for, at least one.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>All that are ready, in the order given, at least one.</returns>
    /// <exception cref="ArgumentException">There are none, or one is null.</exception>
    /// <exception cref="InvalidOperationException">One is an end that only sends, or a worker that was not started.</exception>
    /// <exception cref="ObjectDisposedException">One was disposed of in this process, be it before or meanwhile.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static IReadOnlyList<ISelectable> Any(IReadOnlyCollection<ISelectable> objects, CancellationToken cancellationToken = default) =>
        Any(objects, Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Waits until any is ready, at most for the time given.</summary>
    /// <param name="objects">What to wait for, at least one.</param>
    /// <param name="timeout">How long to wait, <see cref="TimeSpan.Zero"/> for not at all, <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>All that are ready, in the order given; none if none was all the time.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative.</exception>
    /// <inheritdoc cref="Any(IReadOnlyCollection{ISelectable}, CancellationToken)" path="exception"/>
    public static IReadOnlyList<ISelectable> Any(IReadOnlyCollection<ISelectable> objects, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        Selection selection = new(objects);
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        selection.Run(timeout, cancellationToken);
        return selection.Ready;
    }

    /// <summary>Waits until any is ready, without holding a thread.</summary>
    /// <inheritdoc cref="Any(IReadOnlyCollection{ISelectable}, CancellationToken)"/>
    public static ValueTask<IReadOnlyList<ISelectable>> AnyAsync(IReadOnlyCollection<ISelectable> objects, CancellationToken cancellationToken = default) =>
        AnyAsync(objects, Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Waits until any is ready, at most for the time given, without holding a thread.</summary>
    /// <inheritdoc cref="Any(IReadOnlyCollection{ISelectable}, TimeSpan, CancellationToken)"/>
    public static async ValueTask<IReadOnlyList<ISelectable>> AnyAsync(IReadOnlyCollection<ISelectable> objects, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        Selection selection = new(objects);
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        await selection.RunAsync(timeout, cancellationToken).ConfigureAwait(false);
        return selection.Ready;
    }

    private sealed class Selection : WaitAttempt
    {
        private readonly ISelectable[] objects;
        private readonly WaitWord[] words;
        private int tries;

        public Selection(IReadOnlyCollection<ISelectable> objects)
            : base(null)
        {
            ArgumentNullException.ThrowIfNull(objects);
            this.objects = [.. objects];
            if (this.objects.Length == 0)
                throw new ArgumentException("There is nothing to wait for, so the wait would never end; pass at least one pipe end, queue or worker.", nameof(objects));
            if (Array.Exists(this.objects, static one => one is null))
                throw new ArgumentException("One of the objects to wait for is null.", nameof(objects));
            words = new WaitWord[this.objects.Length];
        }

        public ISelectable[] Ready { get; private set; } = [];

        protected override bool Try(bool thorough, out WaitWord until)
        {
            tries++;
            until = default;
            if (Look(thorough))
                return true;
            for (int i = 0; i < objects.Length; i++)
                words[i] = objects[i].WaitWord;
            return Look(thorough);
        }

        protected override void GiveUp()
        {
            // Only who has slept can have been woken.
            if (tries <= 1)
                return;
            foreach (ISelectable one in objects)
                one.PassOn();
        }

        protected override unsafe void Sleep(WaitWord until, uint* canceled, long due) => FutexWaits.SleepOnAny(words, canceled, due);

        protected override Task SleepAsync(WaitWord until, long due, CancellationToken token) => FutexWaits.WaitAnyAsync(words, due, token);

        private bool Look(bool thorough)
        {
            // All of them, also those behind one that is ready: whoever comes first again and again starves no other.
            Ready = Array.FindAll(objects, one => one.IsReady(thorough));
            if (Ready.Length == 0)
                return false;
            GiveUp();
            return true;
        }
    }
}

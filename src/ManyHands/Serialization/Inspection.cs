namespace ManyHands.Serialization;

/// <summary>Looks whether this very value would arrive unchanged. Null means it would.</summary>
internal delegate Refusal? ValueCheck<T>(in T value, int depth);

/// <summary>What <see cref="SendableInspector"/> found out about one type, once and for all.</summary>
internal abstract class Inspection(Type type)
{
    private readonly Lock gate = new();
    private bool searched;
    private Refusal? verdict;

    public Type Type { get; } = type;

    /// <summary>Why no value of this type can travel, apart from what its members say.</summary>
    public Refusal? OwnRefusal { get; set; }

    /// <summary>Why a value of this type might arrive changed though nothing in it is refused; null if it can't. One that might is compared with a copy of it.</summary>
    public Suspicion? Suspicion { get; set; }

    /// <summary>The types inside this one, each with the step of the path that leads there.</summary>
    public List<(string Segment, Inspection Target)> Parts { get; } = [];

    /// <summary>
    /// The refusal nearest to this type, if any. Members are searched only now, not while inspecting: types that contain each other
    /// can't be judged before both are known.
    /// </summary>
    public Refusal? Verdict
    {
        get
        {
            lock (gate)
            {
                if (!searched)
                {
                    verdict = NearestRefusal();
                    searched = true;
                }

                return verdict;
            }
        }
    }

    /// <summary>Of this type and those inside it, the ones under <see cref="Suspicion"/>.</summary>
    public IReadOnlyDictionary<Type, Suspicion> Suspects =>
        Reachable().Where(static reached => reached.Inspection.Suspicion is not null)
            .DistinctBy(static reached => reached.Inspection.Type)
            .ToDictionary(static reached => reached.Inspection.Type, static reached => reached.Inspection.Suspicion!);

    /// <summary>Whether values of this type may refer to shared objects.</summary>
    public bool RefersToSharedObjects => Reachable().Any(static reached => SharedObjects.Is(reached.Inspection.Type));

    private Refusal? NearestRefusal()
    {
        foreach ((string path, Inspection inspection) in Reachable())
        {
            if (inspection.OwnRefusal is { } refusal)
                return refusal.Under(path);
        }

        return null;
    }

    private IEnumerable<(string Path, Inspection Inspection)> Reachable()
    {
        HashSet<Inspection> seen = [this];
        Queue<(string Path, Inspection Inspection)> waiting = new([("", this)]);
        while (waiting.TryDequeue(out (string Path, Inspection Inspection) next))
        {
            yield return next;
            foreach ((string segment, Inspection part) in next.Inspection.Parts)
            {
                if (seen.Add(part))
                    waiting.Enqueue((next.Path + segment, part));
            }
        }
    }
}

/// <inheritdoc/>
internal sealed class Inspection<T>() : Inspection(typeof(T))
{
    /// <summary>Null if every value of this type travels, so that most records cost nothing here.</summary>
    public ValueCheck<T>? Check { get; set; }

    /// <summary>False only when inspected through to the end without finding anything to check.</summary>
    public bool MayNeedCheck => !IsComplete || Check is not null;

    /// <summary>False while members are being inspected, one of which may contain this type again.</summary>
    public bool IsComplete { get; set; }

    public Refusal? Examine(in T value, int depth) => Check?.Invoke(in value, depth);
}

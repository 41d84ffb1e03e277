using PolyType.Abstractions;

namespace ManyHands.Serialization;

/// <summary>Classes, records, structs and tuples: things with members.</summary>
internal static class ObjectInspection
{
    public static void Fill<T>(Inspection<T> inspection, IObjectTypeShape<T> shape, SendableInspector inspector)
    {
        if (typeof(T).IsInterface || typeof(T).IsAbstract)
        {
            inspection.OwnRefusal = Undetermined(typeof(T));
            return;
        }

        RestoredMembers restored = new(shape);
        if (!IsWholeInItsMembers(shape))
        {
            inspection.OwnRefusal = HiddenState.Find(typeof(T), restored) ?? Unbuildable(restored);
            inspection.Suspicion = FindSuspicion(typeof(T), restored);
        }

        List<ValueCheck<T>> members = [];
        foreach (IPropertyShape property in restored.Properties)
        {
            if (property.Accept(inspector, inspection) is ValueCheck<T> check)
                members.Add(check);
        }

        inspection.Check = Combine(ExactType.Check<T>(), [.. members]);
    }

    private static Suspicion? FindSuspicion(Type type, RestoredMembers restored)
    {
        if (type.IsExplicitLayout)
            return Suspicion.OfSharedMemory(type);
        if (type.IsAssignableTo(typeof(Nerdbank.MessagePack.IMessagePackSerializationCallbacks)))
            return Suspicion.OfCallbacks(type);
        if (restored.DifferInCaseOnly)
            return Suspicion.OfNames(type);
        return restored.RunUserCode() ? Suspicion.OfUserCode(type) : null;
    }

    // These keep their items in private fields, but have nothing else to keep.
    private static bool IsWholeInItsMembers(IObjectTypeShape shape) =>
        shape.IsTupleType || (shape.Type.IsGenericType && shape.Type.GetGenericTypeDefinition() == typeof(KeyValuePair<,>));

    private static ValueCheck<T>? Combine<T>(ValueCheck<T>? exactType, ValueCheck<T>[] members)
    {
        if (members.Length == 0)
            return exactType;
        return (in value, depth) =>
        {
            if (value is null)
                return null;
            if (NestingLimit.Examine(depth) is { } tooDeep)
                return tooDeep;
            if (exactType?.Invoke(in value, depth) is { } derived)
                return derived;
            foreach (ValueCheck<T> member in members)
            {
                if (member(in value, depth + 1) is { } refusal)
                    return refusal;
            }

            return null;
        };
    }

    private static Refusal Undetermined(Type type) => Refusal.Here(
        type.IsInterface
            ? $"is declared as the interface {ReadableName.Of(type)}, so the other process can't know which class to build"
            : $"is declared as the abstract class {ReadableName.Of(type)}, so the other process can't know which class to build",
        type.IsInterface
            ? "declare the class that implements it, or list the classes with [PolyType.DerivedTypeShape] on the interface"
            : $"declare the derived class, or list the derived classes with [PolyType.DerivedTypeShape] on {ReadableName.Of(type)}");

    private static Refusal? Unbuildable(RestoredMembers restored)
    {
        if (restored.Constructor is null)
            return Refusal.Here("has no public constructor", "give it one, or send a record with just the data");
        if (restored.UnmatchedParameter is { } unmatched)
        {
            return Refusal.Here(
                $"has a constructor parameter '{unmatched.Name}' that no public property or field of that name gives back",
                $"add a property for '{unmatched.Name}', or mark another constructor with [PolyType.ConstructorShape]");
        }

        if (restored.Ambiguity is var (candidate, one, other))
        {
            return Refusal.Here(
                $"has a constructor parameter '{candidate}' that may mean '{one}' or '{other}', which differ in case only",
                $"name the parameter exactly as its property, or give '{one}' and '{other}' names that differ in more");
        }

        if (restored.Mismatch is var (property, parameter))
        {
            return Refusal.Here(
                $"is a {ReadableName.Of(property.PropertyType.Type)}, but the constructor's '{parameter.Name}' is a {ReadableName.Of(parameter.ParameterType.Type)}",
                "give both the same type").Under("." + property.Name);
        }

        return null;
    }
}

using System.Reflection;
using System.Runtime.CompilerServices;
using PolyType;

namespace ManyHands.Serialization;

/// <summary>
/// Finds fields that would stay behind: the serializer carries public members only, and an object that arrives without its private
/// state looks right and isn't.
/// </summary>
internal static class HiddenState
{
    private const BindingFlags OwnInstanceMembers = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    public static Refusal? Find(Type type, RestoredMembers restored)
    {
        for (Type? declaring = type; declaring is not null && declaring != typeof(object) && declaring != typeof(ValueType); declaring = declaring.BaseType)
        {
            foreach (FieldInfo field in declaring.GetFields(OwnInstanceMembers))
            {
                if (field.IsDefined(typeof(FixedBufferAttribute), inherit: false))
                    return Refusal.Here("is a fixed buffer", "declare an array instead").Under("." + field.Name);
                if (!restored.Carry(field) && !IsExcludedByUser(field))
                    return Describe(field, restored);
            }
        }

        return null;
    }

    /// <summary>The first field that a class derived from a collection adds to it.</summary>
    public static FieldInfo? FindAdded(Type type, Func<Type, bool> isKnownBase)
    {
        for (Type? declaring = type; declaring is not null && !isKnownBase(declaring); declaring = declaring.BaseType)
        {
            FieldInfo? added = Array.Find(declaring.GetFields(OwnInstanceMembers), static field => !IsExcludedByUser(field));
            if (added is not null)
                return added;
        }

        return null;
    }

    public static bool IsExcludedByUser(FieldInfo field) => IsExcluded(field) || (RestoredMembers.FindProperty(field) is { } property && IsExcluded(property));

    private static bool IsExcluded(MemberInfo member) => member.GetCustomAttribute<PropertyShapeAttribute>() is { Ignore: true };

    private static Refusal Describe(FieldInfo field, RestoredMembers restored)
    {
        if (RestoredMembers.FindProperty(field) is { } property)
            return DescribeProperty(property).Under("." + property.Name);
        string name = field.Name;
        if (field.DeclaringType!.GetEvent(name, OwnInstanceMembers) is not null)
        {
            return Refusal.Here("is an event, and its subscribers are functions of this process", "send a record with just the data")
                .Under("." + name);
        }

        if (name.StartsWith('<') && name.EndsWith(">P", StringComparison.Ordinal))
        {
            return Refusal.Here(
                "is a parameter of the primary constructor that the class keeps as hidden state",
                $"make it a property: public {ReadableName.Of(field.FieldType)} {Capitalized(name[1..^2])} {{ get; }} = {name[1..^2]};").Under("." + name[1..^2]);
        }

        if (field.IsPublic)
        {
            return Refusal.Here(
                "is a field that can't be set when the object is built on the other side",
                restored.Constructor is null ? "give the type a public constructor" : "drop readonly, or add a constructor parameter of that name and type").Under("." + name);
        }

        return Refusal.Here(
            "is private state, which doesn't travel",
            "make it a public property with get and init, leave it out with [PolyType.PropertyShape(Ignore = true)], or send a record with just the data").Under("." + name);
    }

    private static Refusal DescribeProperty(PropertyInfo property)
    {
        if (property.GetMethod is not { IsPublic: true })
        {
            return Refusal.Here(
                "is a property that isn't public",
                "make it public, or leave it out with [PolyType.PropertyShape(Ignore = true)]");
        }

        return Refusal.Here(
            property.SetMethod is null ? "can't be set when the object is built on the other side" : "has a setter that isn't public",
            "add init; to the property, or a constructor parameter of that name and type");
    }

    private static string Capitalized(string name) => char.ToUpperInvariant(name[0]) + name[1..];
}
